import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resizeOperation } from "../../src/vm/operations/resize.ts";
import { checkFileSystem } from "../support/disks.ts";
import { TestInstallation } from "../support/ember.ts";
import { onPlatform } from "../support/platform.ts";
import { writeBusyboxTar } from "../support/rootfs.ts";
import { storageKinds } from "../support/storages.ts";

// Real guests whose disks grow: on a storage that grows a disk in use, and on one whose hypervisor must.

const gib = 2 ** 30;
const kinds = storageKinds().filter(({ requirement }) => ["xfs", "apfs", "qcow2"].includes(requirement));

for (const kind of kinds) {
  // Those of macOS's qcow2 are QEMU's.
  const live = onPlatform.growsRunning || kind.requirement === "qcow2";
  describe(`growing disks on ${kind.name}`, () => {
    let bytes = gib;
    let ember: TestInstallation;
    let work: string;
    let digest: string;

    beforeAll(async () => {
      work = mkdtempSync(join(tmpdir(), "ember-resize-"));
      writeBusyboxTar(join(work, "rootfs.tar"));
      ember = new TestInstallation();
      await ember.ok(["init", ...kind.init()]);
      await ember.ok(["image", "import", join(work, "rootfs.tar"), "--name", "busybox"]);
      const sizes = ["--memory", "256M", "--disk-size", "1G"];
      await ember.ok(["vm", "create", "web", "--image", "busybox", ...sizes]);
      digest = await exec("head -c 40000000 /dev/urandom > /root/file; sha256sum /root/file");
    }, 300_000);

    afterAll(async () => {
      await ember.ok(["deinit", "--purge"]);
      expect(ember.leftovers()).toEqual([]);
      await ember[Symbol.asyncDispose]();
      rmSync(work, { recursive: true, force: true });
    });

    const exec = (script: string): Promise<string> => ember.ok(["exec", "web", "--", "sh", "-c", script]);
    const resize = (size: string) => ember.run(["vm", "resize", "web", "--disk-size", size]);

    /** The VM's record and the guest's file system are of that size (less what the file system needs itself). */
    async function expectSize(bytes: number): Promise<void> {
      expect(await ember.json(["vm", "inspect", "web"])).toMatchObject({ diskBytes: bytes });
      const guestBytes =
        Number(await exec("df -k / | tail -1 | tr -s ' ' | sed 's/[^ ]* //; s/ .*//'")) * 1024;
      expect(guestBytes).toBeGreaterThan(bytes * 0.9);
      expect(guestBytes).toBeLessThanOrEqual(bytes);
      expect(await exec("sha256sum /root/file")).toBe(digest);
    }

    test.skipIf(live)("a running guest is left alone where its hypervisor shows it no growth", async () => {
      const refused = await resize("3G");
      expect(refused).toMatchObject({ status: 4 });
      expect(refused.stderr).toContain("ember vm stop web");
      await expectSize(gib);
    });

    test.skipIf(!live)(
      "a running guest has the room at once, and keeps its files",
      async () => {
        await expectSize(gib);
        expect(await resize("3G")).toMatchObject({ status: 0 });
        await expectSize(3 * gib);
        expect(await resize("3G")).toMatchObject({ status: 0 });
        await exec("dd if=/dev/zero of=/root/more bs=1M count=60; rm /root/more; sync");
        bytes = 3 * gib;
      },
      120_000,
    );

    test.skipIf(!live)(
      "killed at any step, disk and record agree, and doing it again ends it",
      async () => {
        for (const { name } of resizeOperation().steps) {
          for (const phase of ["before", "after"]) {
            bytes += gib / 16;
            const size = ["--disk-size", `${bytes / 2 ** 20}M`];
            const fault = { EMBER_FAULT: `kill:vm.resize:${name}:${phase}` };
            const killed = await ember.run(["vm", "resize", "web", ...size], { env: fault });
            expect(killed.status).toBe(137);
            expect(await ember.json(["reconcile"])).toMatchObject({ finished: ["vm.resize vm:web"] });
            await expectSize(bytes);
          }
        }
      },
      300_000,
    );

    test("what cannot be is refused with the reason, and changes nothing", async () => {
      const smaller = await resize("512M");
      expect(smaller).toMatchObject({ status: 4 });
      expect(smaller.stderr).toContain("cannot be made smaller");
      expect(smaller.stderr).toContain("hint:");
      expect(await resize("5000000001B")).toMatchObject({ status: 2 });
      expect(await resize("17T")).toMatchObject({ status: 2 });
      expect(await ember.run(["vm", "resize", "nobody", "--disk-size", "9G"])).toMatchObject({ status: 3 });
      await ember.ok(["vm", "pause", "web"]);
      const paused = await resize("8G");
      expect(paused).toMatchObject({ status: 4 });
      expect(paused.stderr).toContain("ember vm resume web");
      await ember.ok(["vm", "resume", "web"]);
      expect(await ember.json(["vm", "inspect", "web"])).toMatchObject({ diskBytes: bytes });
    }, 120_000);

    test("the file system of a stopped one grows when it starts", async () => {
      await ember.ok(["vm", "stop", "web"]);
      await checkFileSystem(ember.stateDir, "web");
      expect(await resize("5G")).toMatchObject({ status: 0 });
      expect(await ember.json(["vm", "inspect", "web"])).toMatchObject({ diskBytes: 5 * gib });
      await ember.ok(["vm", "start", "web"]);
      await expectSize(5 * gib);
      await ember.ok(["vm", "stop", "web"]);
      await checkFileSystem(ember.stateDir, "web");
    }, 300_000);
  });
}
