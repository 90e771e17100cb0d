import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestInstallation } from "../support/ember.ts";
import { missingForRegistry, TestRegistry } from "../support/registry.ts";
import { skipUnless } from "../support/require.ts";
import { writeBusyboxTar } from "../support/rootfs.ts";

// A running guest's disk, by way of a real registry, to another host and back to life.

const missing = missingForRegistry();
const skip = skipUnless("registry", missing === undefined, missing ?? "");

describe.skipIf(skip)("a VM's disk through a registry", () => {
  let work: string;
  let registry: TestRegistry;
  let here: TestInstallation;
  let there: TestInstallation;
  let target: string[];

  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), "ember-push-"));
    writeBusyboxTar(join(work, "rootfs.tar"));
    registry = await TestRegistry.start();
    target = [`${registry.host}/team/web:1`, "--no-tls-verify"];
    here = new TestInstallation();
    there = new TestInstallation();
    for (const ember of [here, there]) {
      await ember.ok(["init"]);
      await ember.ok(["image", "import", join(work, "rootfs.tar"), "--name", "busybox"]);
    }
    await here.ok(["vm", "create", "web", "--image", "busybox", "--memory", "256M", "--disk-size", "1G"]);
  }, 300_000);

  afterAll(async () => {
    for (const ember of [here, there]) {
      await ember.ok(["deinit", "--purge"]);
      expect(ember.leftovers()).toEqual([]);
      await ember[Symbol.asyncDispose]();
    }
    await registry[Symbol.asyncDispose]();
    rmSync(work, { recursive: true, force: true });
  });

  const inGuest = (ember: TestInstallation, script: string): Promise<string> =>
    ember.ok(["exec", "web", "--", "sh", "-c", script]);

  test("a running VM is pushed and goes on; what the registry has is not sent again", async () => {
    await inGuest(here, "head -c 9000000 /dev/urandom > /root/file");
    const first = await here.json(["vm", "push", "web", ...target]);
    expect(first).toMatchObject({ digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) });
    const stored = registry.storedBytes();
    await inGuest(here, "echo more > /root/more");
    await here.ok(["vm", "push", "web", ...target]);
    expect(registry.storedBytes() - stored).toBeLessThan(6_000_000);
    expect(await here.json(["snapshot", "list", "web"])).toEqual([]);
  }, 300_000);

  test("another host makes a VM of it, with its files", async () => {
    await there.ok(["image", "pull", ...target, "--name", "web"]);
    await there.ok(["vm", "create", "web", "--image", "web", "--memory", "256M"]);
    const script = "sha256sum /root/file; cat /root/more";
    expect(await inGuest(there, script)).toBe(await inGuest(here, script));
    expect(await inGuest(there, "cat /root/more")).toContain("more");
  }, 300_000);

  test("a killed push leaves nothing, and what cannot be pushed says why", async () => {
    const fault = { EMBER_FAULT: "kill:snapshot.diff:compare:after" };
    expect((await here.run(["vm", "push", "web", ...target], { env: fault })).status).toBe(137);
    await here.ok(["reconcile"]);
    expect(await here.json(["snapshot", "list", "web"])).toEqual([]);
    const nobody = await here.run(["vm", "push", "web", "127.0.0.1:1/team/web:1", "--no-tls-verify"]);
    expect(nobody).toMatchObject({ status: 1, stderr: expect.stringContaining("cannot be reached") });
    const fixed = await here.run(["vm", "push", "web", `${registry.host}/web@sha256:${"0".repeat(64)}`]);
    expect(fixed).toMatchObject({ status: 2, stderr: expect.stringContaining("REGISTRY/NAME:TAG") });
  }, 300_000);
});
