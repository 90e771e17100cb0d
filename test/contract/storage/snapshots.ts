import { describe, expect, test } from "bun:test";
import type { SnapshotDisk, Storage } from "../../../src/storage/storage.ts";
import {
  codeOf,
  diskBytes,
  expectBytes,
  expectVm,
  imageBytes,
  imageId,
  importSample,
  putVm,
  removeSource,
  vmId,
  withDisk,
} from "./disks.ts";
import { mib, type StorageFactory } from "./place.ts";

const vm = { vmId: vmId(1) };
/** Snapshot `number` of VM 1. */
const snap = (number: number): SnapshotDisk => ({ ...vm, snapshotId: vmId(0x500 + number) });

/** An image, and VM 1 from it. */
async function ready(storage: Storage): Promise<void> {
  await storage.init();
  await importSample(storage);
  await storage.cloneImage({ imageId }, vm, { sizeBytes: imageBytes });
}

/** Snapshot `number` is taken once VM 1 holds `byte` at its start. */
async function take(storage: Storage, number: number, byte: number): Promise<void> {
  await putVm(storage, 1, 0, byte);
  await storage.snapshot(snap(number));
}

async function expectSnapshot(
  storage: Storage,
  number: number,
  blocks: Readonly<Record<number, number>>,
  sizeBytes = imageBytes,
): Promise<void> {
  await using disk = await storage.readSnapshot(snap(number));
  await expectBytes(disk, blocks);
  expect(disk.sizeBytes).toBe(sizeBytes);
}

const cloneTo = (storage: Storage, number: number, to: number, sizeBytes: number = imageBytes) =>
  storage.cloneSnapshot(snap(number), { vmId: vmId(to) }, { sizeBytes });

/** Snapshots of a VM's disk: making, restoring, reading, cloning, removing. */
export function snapshotTests(factory: StorageFactory): void {
  describe("snapshots", () => {
    test("keep the disk as it was, and bring it back as often as wanted", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await ready(storage);
      await take(storage, 1, 0x33);
      await take(storage, 2, 0x44);
      await putVm(storage, 1, mib, 0x55);
      await putVm(storage, 1, 0, 0x66);
      await expectSnapshot(storage, 1, { 0: 0x33, 65536: 0x11, [mib]: 0x22 });
      await expectSnapshot(storage, 2, { 0: 0x44, 65536: 0x11, [mib]: 0x22 });
      for (const [number, byte] of [
        [1, 0x33],
        [2, 0x44],
        [2, 0x44],
        [1, 0x33],
      ] as const) {
        await storage.restore(snap(number));
        await expectVm(storage, 1, { 0: byte, 65536: 0x11, [mib]: 0x22 });
        await putVm(storage, 1, mib, 0x77); // not what the snapshot holds
        expect((await storage.list()).snapshots).toEqual([snap(1), snap(2)]);
      }
      await expectSnapshot(storage, 1, { 0: 0x33, [mib]: 0x22 });
      await expectSnapshot(storage, 2, { 0: 0x44, [mib]: 0x22 });
      expect(await place.leftovers()).toEqual([]);
    });

    test("keep the disk's size too, smaller or larger than it is now", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await ready(storage);
      await take(storage, 1, 0x33);
      await storage.grow(vm, 2 * imageBytes);
      await putVm(storage, 1, imageBytes, 0x55);
      await take(storage, 2, 0x44);
      await storage.restore(snap(1));
      expect(await withDisk(storage, 1, diskBytes)).toBe(imageBytes);
      await storage.restore(snap(2));
      expect(await withDisk(storage, 1, diskBytes)).toBe(2 * imageBytes);
      await expectVm(storage, 1, { 0: 0x44, [imageBytes]: 0x55, [2 * imageBytes - 65_536]: 0 });
      await expectSnapshot(storage, 2, { [imageBytes]: 0x55 }, 2 * imageBytes);
      await storage.restore(snap(1));
      await storage.grow(vm, 2 * imageBytes);
      await expectVm(storage, 1, { 0: 0x33, [imageBytes]: 0 });
    });

    test("of a restored disk, and forks of it, stand beside those from before", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await ready(storage);
      await take(storage, 1, 0x33);
      await take(storage, 2, 0x44);
      await storage.restore(snap(1));
      await storage.cloneVm(vm, { vmId: vmId(2) }, { sizeBytes: imageBytes });
      await putVm(storage, 1, mib, 0x55);
      await storage.snapshot(snap(3));
      await storage.restore(snap(2));
      await expectVm(storage, 2, { 0: 0x33, [mib]: 0x22 });
      await storage.removeSnapshot(snap(1));
      await storage.removeSnapshot(snap(2));
      await expectVm(storage, 1, { 0: 0x44, [mib]: 0x22 });
      await expectSnapshot(storage, 3, { 0: 0x33, [mib]: 0x55 });
      await storage.restore(snap(3));
      await expectVm(storage, 1, { 0: 0x33, [mib]: 0x55 });
      expect((await storage.list()).snapshots).toEqual([snap(3)]);
    });

    test("can be cloned, also larger, and the clones outlive snapshot and VM", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await ready(storage);
      await take(storage, 1, 0x33);
      await putVm(storage, 1, 0, 0x44);
      await Promise.all([2, 3, 4, 5].map((number) => cloneTo(place.again(), 1, number, number * mib)));
      expect(await cloneTo(storage, 1, 2, 2 * mib)).toEqual(storage.locate({ vmId: vmId(2) }));
      expect(await codeOf(cloneTo(storage, 1, 2, 3 * mib))).toBe("vm-exists");
      expect(await codeOf(cloneTo(storage, 1, 6, mib))).toBe("invalid-size");
      await storage.removeSnapshot(snap(1));
      expect((await storage.list()).snapshots).toEqual([]);
      expect(await codeOf(cloneTo(storage, 1, 6))).toBe("snapshot-not-found");
      await putVm(storage, 2, mib, 0x55);
      await removeSource(storage, 1);
      await expectVm(storage, 2, { 0: 0x33, [mib]: 0x55 });
      for (const number of [3, 4, 5]) {
        await expectVm(storage, number, {
          0: 0x33,
          [mib]: 0x22,
          [number * mib - 65_536]: number === 2 ? 0x22 : 0,
        });
        expect(await withDisk(storage, number, diskBytes)).toBe(number * mib);
      }
    });

    test("made again keep what they hold, removed again are still gone", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await ready(storage);
      await take(storage, 1, 0x33);
      await take(storage, 1, 0x44);
      await expectSnapshot(storage, 1, { 0: 0x33 });
      await storage.removeSnapshot(snap(1));
      await storage.removeSnapshot(snap(1));
      expect((await storage.list()).snapshots).toEqual([]);
      await storage.snapshot(snap(1));
      await expectSnapshot(storage, 1, { 0: 0x44 });
      expect(await place.leftovers()).toEqual([]);
    });

    test("go with their VM, and only with theirs", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await ready(storage);
      const other = { vmId: vmId(2), snapshotId: snap(1).snapshotId };
      await storage.cloneImage({ imageId }, other, { sizeBytes: imageBytes });
      await putVm(storage, 2, 0, 0x77);
      await storage.snapshot(other);
      await take(storage, 1, 0x33);
      await take(storage, 2, 0x44);
      await storage.removeVm(vm);
      expect(await storage.list()).toEqual({ imageIds: [imageId], vmIds: [other.vmId], snapshots: [other] });
      expect(await codeOf(storage.restore(snap(1)))).toBe("vm-not-found");
      expect(await codeOf(storage.readSnapshot(snap(1)))).toBe("snapshot-not-found");
      await storage.restore(other);
      await expectVm(storage, 2, { 0: 0x77 });
      expect(await place.leftovers()).toEqual([]);
    });

    test("that are not there, or another VM's, are named as such and change nothing", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await ready(storage);
      await storage.cloneImage({ imageId }, { vmId: vmId(2) }, { sizeBytes: imageBytes });
      await take(storage, 1, 0x33);
      await putVm(storage, 1, 0, 0x44);
      const others = { vmId: vmId(2), snapshotId: snap(1).snapshotId };
      for (const absent of [snap(2), others]) {
        expect(await codeOf(storage.restore(absent))).toBe("snapshot-not-found");
        expect(await codeOf(storage.readSnapshot(absent))).toBe("snapshot-not-found");
        const clone = storage.cloneSnapshot(absent, { vmId: vmId(3) }, { sizeBytes: imageBytes });
        expect(await codeOf(clone)).toBe("snapshot-not-found");
        await storage.removeSnapshot(absent);
      }
      const nobody = { vmId: vmId(9), snapshotId: vmId(9) };
      expect(await codeOf(storage.snapshot(nobody))).toBe("vm-not-found");
      expect(await codeOf(storage.restore(nobody))).toBe("vm-not-found");
      await expectVm(storage, 1, { 0: 0x44 });
      await expectVm(storage, 2, { 0: 0x11 });
      expect((await storage.list()).snapshots).toEqual([snap(1)]);
    });

    test("of one VM at once, with clones of it, all come out right", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await ready(storage);
      await take(storage, 0, 0x33);
      const other = place.again();
      await Promise.all([
        ...[1, 2, 3, 3, 4].map((number) => (number % 2 === 0 ? storage : other).snapshot(snap(number))),
        ...[11, 12].map((number) => other.cloneVm(vm, { vmId: vmId(number) }, { sizeBytes: imageBytes })),
        ...[13, 14].map((number) => cloneTo(storage, 0, number)),
      ]);
      await putVm(storage, 1, 0, 0x44);
      for (const number of [0, 1, 2, 3, 4]) await expectSnapshot(storage, number, { 0: 0x33, [mib]: 0x22 });
      for (const number of [11, 12, 13, 14]) await expectVm(storage, number, { 0: 0x33, [mib]: 0x22 });
      await Promise.all([1, 2, 3].map((number) => storage.removeSnapshot(snap(number))));
      expect((await storage.list()).snapshots).toEqual([snap(0), snap(4)]);
      expect(await place.leftovers()).toEqual([]);
    });

    for (const reverse of [false, true]) {
      test(`with forks, deleted ${reverse ? "youngest" : "oldest"} first, leave nothing behind`, async () => {
        await using place = await factory.make();
        const { storage } = place;
        await storage.init();
        const before = await storage.list();
        await ready(storage);
        await take(storage, 1, 0x33);
        await cloneTo(storage, 1, 2);
        await take(storage, 2, 0x44);
        await storage.restore(snap(1));
        await storage.cloneVm(vm, { vmId: vmId(3) }, { sizeBytes: imageBytes });
        await storage.cloneVm({ vmId: vmId(3) }, { vmId: vmId(4) }, { sizeBytes: imageBytes });
        await storage.snapshot({ vmId: vmId(3), snapshotId: vmId(0x601) });
        const steps = [
          () => storage.removeSnapshot(snap(1)),
          () => removeSource(storage, 1),
          () => removeSource(storage, 2),
          () => removeSource(storage, 3),
          () => removeSource(storage, 4),
        ];
        if (reverse) steps.reverse();
        for (const step of steps) {
          await step();
          for (const id of (await storage.list()).vmIds) {
            await expectVm(storage, Number.parseInt(id, 16), { 0: 0x33, [mib]: 0x22 });
          }
        }
        await storage.removeImage({ imageId });
        expect(await storage.list()).toEqual(before);
        expect(await place.leftovers()).toEqual([]);
        expect(await storage.diskUsage()).toEqual([]);
      });
    }
  });
}
