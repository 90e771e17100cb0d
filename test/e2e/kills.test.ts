import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { imageOperations } from "../../src/image/operations.ts";
import { deinitOperation } from "../../src/setup/deinit.ts";
import { initOperation } from "../../src/setup/init.ts";
import { createOperation } from "../../src/vm/operations/create.ts";
import { deleteOperation } from "../../src/vm/operations/delete.ts";
import { startOperation } from "../../src/vm/operations/start.ts";
import { stopOperation } from "../../src/vm/operations/stop.ts";
import { hypervisorsOf, networkProcesses, TestInstallation } from "../support/ember.ts";
import { writeBusyboxTar } from "../support/rootfs.ts";

// SIGKILL before and after every journalled step of every operation; then the next command must find nothing half done.

const killed = 137;
const phases = ["before", "after"] as const;
let ember: TestInstallation;
let work: string;
let rootfs: string;

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), "ember-kills-"));
  rootfs = join(work, "rootfs.tar");
  writeBusyboxTar(rootfs);
  ember = new TestInstallation();
  await ember.ok(["init"]);
  await ember.ok(["image", "import", rootfs, "--name", "busybox"]);
  await ember.ok(["kernel", "pull", "debian"]);
}, 300_000);

afterAll(async () => {
  await ember[Symbol.asyncDispose]();
  rmSync(work, { recursive: true, force: true });
});

/** Every place where an operation can be cut short, as `EMBER_FAULT` names it. */
function faults(operation: {
  readonly kind: string;
  readonly steps: readonly { readonly name: string }[];
}): string[] {
  return operation.steps.flatMap(({ name }) => phases.map((phase) => `${operation.kind}:${name}:${phase}`));
}

async function killAt(
  fault: string,
  args: readonly string[],
  installation: TestInstallation = ember,
): Promise<void> {
  const result = await installation.run(args, { env: { EMBER_FAULT: `kill:${fault}` } });
  if (result.status !== killed)
    throw new Error(`${args.join(" ")} was not killed at ${fault}: ${result.stderr}`);
}

/** Nothing of a VM is left anywhere: not in the list, the process table, the folders, the storage or the journal. */
async function expectNoVm(): Promise<void> {
  expect(hypervisorsOf(ember.stateDir)).toEqual([]);
  expect(await ember.json(["vm", "list"])).toEqual([]);
  // It ends some seconds after the last VM.
  expect(networkProcesses(ember.stateDir).length).toBeLessThanOrEqual(1);
  const folder = join(ember.stateDir, "vms");
  expect(existsSync(folder) ? readdirSync(folder) : []).toEqual([]);
  expect(await ember.json(["reconcile"])).toEqual({ finished: [], undone: [], stopped: [], removed: [] });
}

describe("vm create", () => {
  for (const fault of faults(createOperation())) {
    test(`killed at ${fault} leaves nothing, and the name is free`, async () => {
      await killAt(fault, ["vm", "create", "web", "--image", "busybox", "--memory", "256M"]);
      await ember.ok(["reconcile"]);
      await expectNoVm();
      await ember.ok(["vm", "create", "web", "--image", "busybox", "--no-start"]);
      await ember.ok(["vm", "delete", "web"]);
    }, 120_000);
  }

  test("killed and not reconciled does not stand in the way of the same command", async () => {
    await killAt("vm.create:disk:after", ["vm", "create", "web", "--image", "busybox", "--no-start"]);
    await ember.ok(["vm", "create", "web", "--image", "busybox", "--no-start"]);
    await ember.ok(["vm", "delete", "web"]);
    await expectNoVm();
  });

  test("interrupted with Ctrl-C while the guest boots leaves nothing", async () => {
    const result = await ember.run(["vm", "create", "web", "--image", "busybox", "--memory", "256M"], {
      killWhen: { signal: "SIGINT", after: () => hypervisorsOf(ember.stateDir).length > 0 },
    });
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain("interrupted");
    await expectNoVm();
  }, 120_000);
});

describe("vm fork", () => {
  for (const fault of faults({ kind: "vm.create", steps: createOperation().steps.slice(0, 5) })) {
    test(`killed at ${fault} leaves the source and nothing else`, async () => {
      await ember.ok(["vm", "create", "source", "--image", "busybox", "--no-start"]);
      await killAt(fault, ["vm", "fork", "source", "copy", "--no-start"]);
      await ember.ok(["reconcile"]);
      expect(await ember.json(["vm", "list"])).toMatchObject([{ name: "source" }]);
      await ember.ok(["vm", "fork", "source", "copy", "--no-start"]);
      await ember.ok(["vm", "delete", "source", "copy"]);
      await expectNoVm();
    }, 120_000);
  }
});

describe("vm start and stop", () => {
  for (const fault of faults(startOperation)) {
    test(`start killed at ${fault} leaves a stopped VM that starts`, async () => {
      await ember.ok(["vm", "create", "web", "--image", "busybox", "--memory", "256M", "--no-start"]);
      await killAt(fault, ["vm", "start", "web"]);
      await ember.ok(["reconcile"]);
      expect(hypervisorsOf(ember.stateDir)).toEqual([]);
      expect(await ember.json(["vm", "inspect", "web"])).toMatchObject({ status: "created", pid: null });
      await ember.ok(["vm", "start", "web"]);
      await ember.ok(["vm", "delete", "--force", "web"]);
      await expectNoVm();
    }, 120_000);
  }

  test("stop killed at every step is finished by the next command", async () => {
    await ember.ok(["vm", "create", "web", "--image", "busybox", "--memory", "256M"]);
    for (const fault of faults(stopOperation)) {
      await killAt(fault, ["vm", "stop", "--force", "web"]);
      await ember.ok(["reconcile"]);
      expect(hypervisorsOf(ember.stateDir)).toEqual([]);
      expect(await ember.json(["vm", "inspect", "web"])).toMatchObject({ status: "stopped", pid: null });
      await ember.ok(["vm", "start", "web"]);
    }
    await ember.ok(["vm", "delete", "--force", "web"]);
    await expectNoVm();
  }, 300_000);
});

describe("vm delete", () => {
  for (const fault of faults(deleteOperation)) {
    test(`killed at ${fault} is finished by the next command`, async () => {
      await ember.ok(["vm", "create", "web", "--image", "busybox", "--no-start"]);
      await killAt(fault, ["vm", "delete", "web"]);
      // Gone from the first step on, whoever looks; "before" it, nothing has happened yet but the decision.
      await ember.ok(["reconcile"]);
      await expectNoVm();
    }, 60_000);
  }
});

test("none of this leaves the network's process behind", async () => {
  while (networkProcesses(ember.stateDir).length > 0) await Bun.sleep(100);
  const { runtimeDir } = (await ember.json(["info"])) as { runtimeDir: string };
  const left = existsSync(runtimeDir) ? readdirSync(runtimeDir) : [];
  expect(left.filter((name) => /\.(eth|agent|sock)$/.test(name))).toEqual([]);
}, 60_000);

describe("images", () => {
  const [create, remove] = imageOperations;
  for (const fault of create === undefined ? [] : faults(create)) {
    test(`import killed at ${fault} leaves no image and no file`, async () => {
      const before = await ember.json(["image", "list"]);
      await killAt(fault, ["image", "import", rootfs, "--name", "second"]);
      await ember.ok(["reconcile"]);
      expect(await ember.json(["image", "list"])).toEqual(before);
      expect(await ember.json(["reconcile"])).toEqual({ finished: [], undone: [], stopped: [], removed: [] });
      await ember.ok(["image", "import", rootfs, "--name", "second"]);
      await ember.ok(["image", "delete", "second"]);
    }, 60_000);
  }
  for (const fault of remove === undefined ? [] : faults(remove)) {
    test(`delete killed at ${fault} is finished by the next command`, async () => {
      const before = await ember.json(["image", "list"]);
      await ember.ok(["image", "import", rootfs, "--name", "second"]);
      await killAt(fault, ["image", "delete", "second"]);
      await ember.ok(["reconcile"]);
      expect(await ember.json(["image", "list"])).toEqual(before);
    }, 60_000);
  }
});

describe("init and deinit", () => {
  for (const fault of faults(initOperation())) {
    test(`init killed at ${fault} leaves no mount, and init succeeds then`, async () => {
      await using fresh = new TestInstallation();
      await killAt(fault, ["init"], fresh);
      await fresh.ok(["reconcile"]);
      expect(fresh.leftovers()).toEqual([]);
      await fresh.ok(["init"]);
      expect(await fresh.json(["info"])).toMatchObject({ initialized: true });
    }, 60_000);
  }
  for (const fault of faults(deinitOperation)) {
    test(`deinit --purge killed at ${fault} is finished by the next command`, async () => {
      await using fresh = new TestInstallation();
      await fresh.ok(["init"]);
      await killAt(fault, ["deinit", "--purge"], fresh);
      await fresh.ok(["reconcile"]);
      expect(fresh.leftovers()).toEqual([]);
      expect(await fresh.json(["info"])).toMatchObject({ initialized: false });
    }, 60_000);
  }
});
