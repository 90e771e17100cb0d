import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createOperation } from "../../src/vm/operations/create.ts";
import { deleteOperation } from "../../src/vm/operations/delete.ts";
import { startOperation } from "../../src/vm/operations/start.ts";
import { stopOperation } from "../../src/vm/operations/stop.ts";
import { TestInstallation } from "../support/ember.ts";
import { firecrackerHost, initWithFirecracker } from "../support/firecracker-host.ts";
import { writeBusyboxTar } from "../support/rootfs.ts";

// SIGKILL before and after every journalled step that concerns a jail, a TAP or the firewall.
const work = mkdtempSync(join(tmpdir(), "ember-fc-kills-"));
const host = firecrackerHost(join(work, "tools"));
const ember = new TestInstallation({ toolFolder: host.toolFolder });
const forwarding = "/proc/sys/net/ipv4/ip_forward";
let forwardedBefore = "";
const small = ["--image", "busybox", "--memory", "256M", "--disk-size", "256M"];

beforeAll(async () => {
  if (host.skipped) return;
  forwardedBefore = readFileSync(forwarding, "utf8");
  writeBusyboxTar(join(work, "rootfs.tar"));
  await initWithFirecracker(ember, "2G");
  await ember.ok(["image", "import", join(work, "rootfs.tar"), "--name", "busybox"]);
  await ember.pullKernel();
}, 300_000);

afterAll(async () => {
  await ember[Symbol.asyncDispose]();
  if (forwardedBefore !== "") writeFileSync(forwarding, forwardedBefore);
  rmSync(work, { recursive: true, force: true });
});

function faults(operation: { kind: string; steps: readonly { readonly name: string }[] }): string[] {
  return operation.steps.flatMap(({ name }) =>
    ["before", "after"].map((phase) => `${operation.kind}:${name}:${phase}`),
  );
}

async function killAt(fault: string, ...args: readonly string[]): Promise<void> {
  const { status, stderr } = await ember.run(args, { env: { EMBER_FAULT: `kill:${fault}` } });
  if (status !== 137) throw new Error(`${args.join(" ")} was not killed at ${fault}: ${stderr}`);
  await ember.ok(["reconcile"]);
}

/** No process, interface, jail or mount of a VM is left; the storage's own mount stays. */
function expectNothingRuns(): void {
  const left = ember
    .leftovers()
    .filter((line) => !/^(mount \S+\/storage$|loop )/.test(line) && !line.includes("table inet"));
  expect(left.filter((line) => !line.startsWith("firewall"))).toEqual([]);
  const folder = join(ember.stateDir, "vms");
  for (const id of existsSync(folder) ? readdirSync(folder) : []) {
    expect(readdirSync(join(folder, id)).filter((name) => name.startsWith("jail"))).toEqual([]);
  }
}

describe.skipIf(host.skipped)("with jail and TAP", () => {
  for (const fault of faults(createOperation())) {
    test(`create killed at ${fault} leaves nothing`, async () => {
      await killAt(fault, "vm", "create", "web", ...small);
      expectNothingRuns();
      expect(await ember.json(["vm", "list"])).toEqual([]);
    }, 120_000);
  }

  for (const fault of faults(startOperation)) {
    test(`start killed at ${fault} leaves a VM that starts`, async () => {
      await ember.ok(["vm", "create", "web", ...small, "--no-start"]);
      await killAt(fault, "vm", "start", "web");
      expectNothingRuns();
      await ember.ok(["vm", "start", "web"]);
      expect(await ember.ok(["exec", "web", "--", "echo", "up"])).toBe("up");
      await ember.ok(["vm", "delete", "--force", "web"]);
      expectNothingRuns();
    }, 120_000);
  }

  test("stop and delete killed at every step are finished by the next command", async () => {
    await ember.ok(["vm", "create", "web", ...small]);
    for (const fault of faults(stopOperation)) {
      await killAt(fault, "vm", "stop", "--force", "web");
      expectNothingRuns();
      expect(await ember.json(["vm", "inspect", "web"])).toMatchObject({ status: "stopped" });
      await ember.ok(["vm", "start", "web"]);
    }
    for (const fault of faults(deleteOperation)) {
      await killAt(fault, "vm", "delete", "--force", "web");
      expectNothingRuns();
      expect(await ember.json(["vm", "list"])).toEqual([]);
      await ember.ok(["vm", "create", "web", ...small]);
    }
    await ember.ok(["vm", "delete", "--force", "web"]);
  }, 600_000);
});
