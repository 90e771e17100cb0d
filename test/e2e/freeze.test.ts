import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Installation } from "../../src/installation.ts";
import { getVm } from "../../src/state/vms.ts";
import { frozen } from "../../src/vm/freeze.ts";
import { checkFileSystem, withDisk } from "../support/disks.ts";
import { TestInstallation } from "../support/ember.ts";
import { writeBusyboxTar } from "../support/rootfs.ts";
import { storageKinds } from "../support/storages.ts";

// Disks cloned under a running guest that writes all the time.

for (const kind of storageKinds().filter(({ requirement }) => requirement === "xfs")) {
  describe("a running guest", () => {
    let ember: TestInstallation;
    let work: string;

    beforeAll(async () => {
      work = mkdtempSync(join(tmpdir(), "ember-freeze-"));
      writeBusyboxTar(join(work, "rootfs.tar"));
      ember = new TestInstallation();
      await ember.ok(["init", ...kind.init()]);
      await ember.ok(["image", "import", join(work, "rootfs.tar"), "--name", "busybox"]);
      const sizes = ["--memory", "256M", "--disk-size", "1G"];
      await ember.ok(["vm", "create", "web", "--image", "busybox", ...sizes]);
      const load =
        "while true; do dd if=/dev/zero of=/root/load bs=1M count=50; rm /root/load; done 2>/dev/null";
      await ember.ok(["exec", "web", "--detach", "--", "sh", "-c", load]);
    }, 300_000);

    afterAll(async () => {
      await ember.ok(["deinit", "--purge"]);
      expect(ember.leftovers()).toEqual([]);
      await ember[Symbol.asyncDispose]();
      rmSync(work, { recursive: true, force: true });
    });

    const exec = (script: string): Promise<string> => ember.ok(["exec", "web", "--", "sh", "-c", script]);

    test("that writes is forked with a sound file system and all that it had synced", async () => {
      for (const name of ["one", "two", "three"]) {
        await exec(`echo ${name} > /root/${name}; sync`);
        const fork = await ember.run(["--verbose", "vm", "fork", "web", name, "--no-start"]);
        expect(fork.status).toBe(0);
        expect(fork.stderr).toMatch(/the file systems of 'web' were frozen for \d+ ms/);
        await checkFileSystem(ember.stateDir, name); // without replaying its journal: it was empty
        const read = await withDisk(ember.stateDir, name, ({ path }) =>
          spawnSync("debugfs", ["-R", `cat /root/${name}`, path], { encoding: "utf8" }),
        );
        expect(read.stdout).toBe(`${name}\n`);
      }
    }, 120_000);

    test("that could not be held still for long enough is no source: nothing of it is kept", async () => {
      using installation = new Installation(async () => [], {
        stateDir: ember.stateDir,
        environment: ember.environment,
      });
      const { id } = getVm(installation.db, "web");
      const slow = frozen(installation, id, () => sleep(5500));
      expect(await slow.catch((error: Error) => error.message)).toContain("did not hold still");
      expect(await frozen(installation, id, async () => "again")).toBe("again");
      const failing = frozen(installation, id, () => Promise.reject(new Error("no clone")));
      expect(await failing.catch((error: Error) => error.message)).toBe("no clone");
      await exec("touch /root/thawed; sync");
    }, 120_000);
  });
}
