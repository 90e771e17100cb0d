import { describe, expect, test } from "bun:test";
import type { Storage } from "../../../src/storage/storage.ts";
import {
  codeOf,
  diskBytes,
  expectVm,
  imageBytes,
  imageId,
  importSample,
  putVm,
  vmId,
  withDisk,
} from "./disks.ts";
import { mib, missingForMounts, type StorageFactory, type StorageUnderTest, skipReason } from "./place.ts";

const kept = { vmId: vmId(1), snapshotId: "aaaaaaaa" };

/** VM 1 with 0x44 at its start, and 0x33 in the snapshot that it has; then no room any more. */
async function filled(place: StorageUnderTest): Promise<() => Promise<void>> {
  const { storage } = place;
  await storage.init();
  await importSample(storage);
  await storage.cloneImage({ imageId }, { vmId: vmId(1) }, { sizeBytes: imageBytes });
  await putVm(storage, 1, 0, 0x33);
  await storage.snapshot(kept);
  await putVm(storage, 1, 0, 0x44);
  return place.fill();
}

/** What `make` failed with in the end, and the numbers it succeeded with. */
async function untilFull(
  make: (number: number) => Promise<unknown>,
): Promise<{ code: string; made: number[] }> {
  const made: number[] = [];
  for (let number = 2; number < 3000; number += 1) {
    const code = await codeOf(make(number));
    if (code !== "no error") return { code, made };
    made.push(number);
  }
  return { code: "no error", made };
}

async function expectWhole(storage: Storage, numbers: readonly number[]): Promise<void> {
  for (const number of numbers) expect(await withDisk(storage, number, diskBytes)).toBe(imageBytes);
}

/** A storage without room. */
export function fullTests(factory: StorageFactory): void {
  if (!factory.facts.clonesFill) {
    test.skip("full: clones do not fill this storage", () => undefined);
    return;
  }
  const reason = skipReason("a full storage", { missing: () => missingForMounts("mount", ["mkfs.ext4"]) });
  describe.skipIf(reason !== undefined)("full", () => {
    test("making disks is refused as such, and nothing half-made is left", async () => {
      await using place = await factory.make({ small: true });
      const { storage } = place;
      const release = await filled(place);
      const { code, made } = await untilFull((number) =>
        number % 2 === 0
          ? storage.cloneImage({ imageId }, { vmId: vmId(number) }, { sizeBytes: imageBytes })
          : storage.cloneVm({ vmId: vmId(1) }, { vmId: vmId(number) }, { sizeBytes: imageBytes }),
      );
      expect(code).toBe("disk-full");
      expect((await storage.list()).vmIds).toEqual([1, ...made].map(vmId));
      expect(await place.leftovers()).toEqual([]);
      await release();
      await expectVm(storage, 1, { 0: 0x44, [mib]: 0x22 });
      await expectWhole(storage, made);
    });

    test("snapshots are refused as such; those that are there, and the disk, stay whole", async () => {
      await using place = await factory.make({ small: true });
      const { storage } = place;
      const release = await filled(place);
      const snapshot = (number: number) => storage.snapshot({ vmId: vmId(1), snapshotId: vmId(number) });
      const { code, made } = await untilFull(snapshot);
      expect(code).toBe("disk-full");
      const ids = [...made.map(vmId), kept.snapshotId].sort();
      expect((await storage.list()).snapshots.map(({ snapshotId }) => snapshotId).sort()).toEqual(ids);
      expect(await place.leftovers()).toEqual([]);
      await release();
      await snapshot(2999);
      await storage.restore(kept);
      await expectVm(storage, 1, { 0: 0x33, [mib]: 0x22 });
      await storage.restore({ vmId: vmId(1), snapshotId: vmId(2999) });
      await expectVm(storage, 1, { 0: 0x44, [mib]: 0x22 });
    });

    test("restoring works or is refused as such, and deleting works", async () => {
      await using place = await factory.make({ small: true });
      const { storage } = place;
      const release = await filled(place);
      await untilFull((number) => storage.snapshot({ vmId: vmId(1), snapshotId: vmId(number) }));
      const code = await codeOf(storage.restore(kept));
      expect(["no error", "disk-full"]).toContain(code);
      expect(await place.leftovers()).toEqual([]);
      const usage = await storage.usage();
      expect(usage.freeBytes).toBeLessThanOrEqual(usage.capacityBytes - usage.usedBytes);
      await storage.diskUsage();
      for (const snapshot of (await storage.list()).snapshots) {
        if (snapshot.snapshotId !== kept.snapshotId) await storage.removeSnapshot(snapshot);
      }
      await release();
      await expectVm(storage, 1, { 0: code === "no error" ? 0x33 : 0x44, [mib]: 0x22 });
      await storage.restore(kept);
      await expectVm(storage, 1, { 0: 0x33, [mib]: 0x22 });
    });
  });
}
