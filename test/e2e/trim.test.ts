import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkFileSystem } from "../support/disks.ts";
import { TestInstallation } from "../support/ember.ts";
import { writeBusyboxTar } from "../support/rootfs.ts";
import { storageKinds } from "../support/storages.ts";

// What a guest deletes goes back to the host: when it is asked to trim, and when it stops.

const mib = 2 ** 20;
const written = 96 * mib;
/** File systems' own records, and what a storage gives back in larger pieces only. */
const tolerance = 24 * mib;
const kinds = storageKinds().filter(({ requirement }) => ["xfs", "btrfs", "qcow2"].includes(requirement));

for (const kind of kinds) {
  describe(`trimming on ${kind.name}`, () => {
    let ember: TestInstallation;
    let work: string;
    let disk: string;

    beforeAll(async () => {
      work = mkdtempSync(join(tmpdir(), "ember-trim-"));
      writeBusyboxTar(join(work, "rootfs.tar"));
      ember = new TestInstallation();
      await ember.ok(["init", ...kind.init()]);
      await ember.ok(["image", "import", join(work, "rootfs.tar"), "--name", "busybox"]);
      const sizes = ["--memory", "256M", "--disk-size", "1G"];
      await ember.ok(["vm", "create", "web", "--image", "busybox", ...sizes]);
      const details = JSON.parse(await ember.ok(["vm", "inspect", "web", "--format", "json"]));
      disk = String(details.diskPath);
    }, 300_000);

    afterAll(async () => {
      await ember.ok(["deinit", "--purge"]);
      expect(ember.leftovers()).toEqual([]);
      await ember[Symbol.asyncDispose]();
      rmSync(work, { recursive: true, force: true });
    });

    const exec = (script: string): Promise<string> => ember.ok(["exec", "web", "--", "sh", "-c", script]);
    const occupied = (): number => statSync(disk).blocks * 512;

    async function writeAndDelete(): Promise<void> {
      const before = occupied();
      await exec(`head -c ${written} /dev/zero > /root/big; sync`);
      expect(occupied()).toBeGreaterThan(before + written - tolerance);
      await exec("rm /root/big");
    }

    test("a running guest's disk shrinks when it is told to trim", async () => {
      const before = occupied();
      await writeAndDelete();
      const [report] = (await ember.json(["storage", "trim", "web"])) as { trimmedBytes: number }[];
      expect(report).toMatchObject({ vm: "web", trimmed: true });
      expect(report?.trimmedBytes).toBeGreaterThanOrEqual(written);
      expect(occupied()).toBeLessThan(before + tolerance);
    }, 120_000);

    test("a disk shrinks when its VM is stopped, and is whole", async () => {
      const before = occupied();
      await writeAndDelete();
      await ember.ok(["vm", "stop", "web"]);
      expect(occupied()).toBeLessThan(before + tolerance);
      await checkFileSystem(ember.stateDir, "web");
    }, 120_000);

    test("a VM that does not run was trimmed before, and is told apart", async () => {
      expect(await ember.json(["storage", "trim"])).toEqual([]);
      expect(await ember.json(["storage", "trim", "web"])).toEqual([
        { vm: "web", trimmed: false, trimmedBytes: 0 },
      ]);
      expect((await ember.run(["storage", "trim", "nobody"])).status).toBe(3);
    });
  });
}
