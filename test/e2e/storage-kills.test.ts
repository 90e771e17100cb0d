import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ember } from "../../src/ember.ts";
import { makeBzImage } from "../../src/kernel/testing/fake-kernel.ts";
import { createOperation as createSnapshot } from "../../src/snapshot/operations/create.ts";
import { deleteOperation as deleteSnapshot } from "../../src/snapshot/operations/delete.ts";
import { diffOperation } from "../../src/snapshot/operations/diff.ts";
import { restoreOperation } from "../../src/snapshot/operations/restore.ts";
import { createOperation } from "../../src/vm/operations/create.ts";
import { deleteOperation } from "../../src/vm/operations/delete.ts";
import { forkManyOperation } from "../../src/vm/operations/fork-many.ts";
import { resizeOperation } from "../../src/vm/operations/resize.ts";
import { checkFileSystem, isMarked, mark } from "../support/disks.ts";
import { TestInstallation } from "../support/ember.ts";
import { writeBusyboxTar } from "../support/rootfs.ts";
import { storageKinds } from "../support/storages.ts";

// SIGKILL before and after every step of every operation that changes disks, on every storage. No guest is booted:
// what a disk holds is told by marks behind its file system. Only what is killed is a process of its own; the rest goes
// through the library, which is quicker.

const mib = 2 ** 20;
const diskBytes = 1024 * mib;
const markAt = diskBytes - mib;
const before = 0x41;
const now = 0x42;
const nothing = { finished: [], undone: [], stopped: [], removed: [] };

interface Stoppable {
  readonly kind: string;
  readonly steps: readonly { readonly name: string }[];
  readonly conclude?: unknown;
}

function faults(operation: Stoppable): string[] {
  const names = operation.steps.map(({ name }) => name);
  return (operation.conclude === undefined ? names : [...names, "conclude"]).flatMap((name) =>
    ["before", "after"].map((phase) => `${operation.kind}:${name}:${phase}`),
  );
}

/** The part of `create` that does not start the VM. */
const makeOnly: Stoppable = { kind: "vm.create", steps: createOperation().steps.slice(0, 4) };

for (const kind of storageKinds()) {
  describe(`killed at every step on ${kind.name}`, () => {
    let ember: TestInstallation;
    let library: Ember;
    let work: string;

    beforeAll(async () => {
      work = mkdtempSync(join(tmpdir(), "ember-storage-kills-"));
      writeBusyboxTar(join(work, "rootfs.tar"));
      writeFileSync(join(work, "kernel"), makeBzImage());
      ember = new TestInstallation();
      await ember.ok(["init", ...kind.init()]);
      await ember.ok(["image", "import", join(work, "rootfs.tar"), "--name", "busybox"]);
      await ember.ok(["kernel", "import", join(work, "kernel"), "--name", "fake"]);
      await ember.ok(["kernel", "default", "fake"]);
      library = await Ember.open({ stateDir: ember.stateDir, environment: ember.environment });
      await create("web");
      await mark(ember.stateDir, "web", markAt, before);
      await library.snapshots.create("web", "first");
      await mark(ember.stateDir, "web", markAt, now);
    });

    afterAll(async () => {
      await library[Symbol.asyncDispose]();
      await ember.ok(["deinit", "--purge"]);
      expect(ember.leftovers()).toEqual([]);
      await ember[Symbol.asyncDispose]();
      rmSync(work, { recursive: true, force: true });
    });

    const create = (name: string): Promise<unknown> =>
      library.vms.create({ name, image: "busybox", diskBytes, start: false });

    /** Runs the command, which is killed at the fault; then the next command settles what it left. */
    async function killedAt(fault: string, args: readonly string[]): Promise<void> {
      const result = await ember.run(args, { env: { EMBER_FAULT: `kill:${fault}` } });
      if (result.status !== 137)
        throw new Error(`${args.join(" ")} was not killed at ${fault}: ${result.stderr}`);
      await library.reconcile();
    }

    /** The one VM, its one snapshot, and nothing besides; its disk is sound and holds `byte`. */
    async function expectOnlyWeb(byte: number): Promise<void> {
      expect(await library.vms.list()).toMatchObject([{ name: "web" }]);
      expect(await library.snapshots.list()).toMatchObject([{ vm: "web", name: "first" }]);
      expect(await library.reconcile()).toEqual(nothing);
      expect(await isMarked(ember.stateDir, "web", markAt, byte)).toBe(true);
      await checkFileSystem(ember.stateDir, "web");
    }

    for (const fault of faults(makeOnly)) {
      test(`create: ${fault}`, async () => {
        await killedAt(fault, ["vm", "create", "other", "--image", "busybox", "--no-start"]);
        await expectOnlyWeb(now);
      });
      test(`fork: ${fault}`, async () => {
        await killedAt(fault, ["vm", "fork", "web", "other", "--no-start"]);
        await expectOnlyWeb(now);
      });
    }

    for (const fault of faults(forkManyOperation())) {
      test(`fork --count: ${fault}`, async () => {
        await killedAt(fault, ["vm", "fork", "web", "many", "--count", "3", "--no-start"]);
        if (fault.endsWith("conclude:after"))
          for (const number of [1, 2, 3]) await library.vms.delete(`many-${number}`);
        await expectOnlyWeb(now);
      });
    }

    for (const fault of faults(createSnapshot())) {
      test(`snapshot create: ${fault}`, async () => {
        await killedAt(fault, ["snapshot", "create", "web", "second"]);
        await expectOnlyWeb(now);
      });
    }

    for (const fault of faults(deleteSnapshot)) {
      test(`snapshot delete: ${fault}`, async () => {
        await library.snapshots.create("web", "second");
        await killedAt(fault, ["snapshot", "delete", "web", "second"]);
        await expectOnlyWeb(now);
      });
    }

    for (const fault of faults(diffOperation())) {
      test(`snapshot diff: ${fault}`, async () => {
        await killedAt(fault, ["snapshot", "diff", "web", "first"]);
        await expectOnlyWeb(now);
      });
    }

    for (const fault of faults(restoreOperation())) {
      test(`snapshot restore: ${fault}`, async () => {
        await killedAt(fault, ["snapshot", "restore", "web", "first"]);
        if (fault.endsWith("conclude:after")) {
          expect(await isMarked(ember.stateDir, "web", markAt, before)).toBe(true);
          await library.snapshots.restore("web", "before-restore");
          await library.snapshots.delete("web", "before-restore");
        }
        await expectOnlyWeb(now);
      });
    }

    test("undoing a restore, killed at every step, never loses what the restore replaced", async () => {
      for (const fault of faults(restoreOperation())) {
        await library.snapshots.restore("web", "first");
        await killedAt(fault, ["snapshot", "restore", "web", "before-restore"]);
        if (!fault.endsWith("conclude:after")) {
          expect(await isMarked(ember.stateDir, "web", markAt, before)).toBe(true);
          await library.snapshots.restore("web", "before-restore");
        }
        await library.snapshots.delete("web", "before-restore");
        await expectOnlyWeb(now);
      }
    });

    for (const fault of faults(deleteOperation)) {
      test(`delete of a VM with snapshots: ${fault}`, async () => {
        await create("other");
        await library.snapshots.create("other", "one");
        await killedAt(fault, ["vm", "delete", "--force", "other"]);
        await expectOnlyWeb(now);
      });
    }

    test("resize, killed at every step, leaves disk and record of one size", async () => {
      await create("other");
      let sizeMib = 1024;
      for (const fault of faults(resizeOperation())) {
        sizeMib += 64;
        await killedAt(fault, ["vm", "resize", "other", "--disk-size", `${sizeMib}M`]);
        expect(await library.vms.inspect("other")).toMatchObject({ diskBytes: sizeMib * mib });
        await mark(ember.stateDir, "other", (sizeMib - 1) * mib, now);
        await checkFileSystem(ember.stateDir, "other");
      }
      await library.vms.delete("other");
      await expectOnlyWeb(now);
    });
  });
}
