import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { platformName } from "#platform";
import { run } from "../../../src/host/run.ts";
import type { Storage } from "../../../src/storage/storage.ts";
import {
  codeOf,
  expectBytes,
  expectVm,
  imageBytes,
  imageId,
  importSample,
  putVm,
  removeSource,
  vmId,
} from "./disks.ts";
import { mib, type StorageFactory, type StorageUnderTest } from "./place.ts";

const vm = { vmId: vmId(1) };
const states = { aaaaaaaa: 0xaa, bbbbbbbb: 0xbb }; // as until-killed.ts names them
const rounds = [1, 2, 3, 4, 5, 6, 7, 8, 9];

/** An image, and VM 1 from it. */
async function ready(storage: Storage): Promise<void> {
  await storage.init();
  await importSample(storage);
  await storage.cloneImage({ imageId }, vm, { sizeBytes: imageBytes });
}

/** Does `work` to VM 1 in another process until that is killed. The result is what it said was done before. */
async function killedDuring(place: StorageUnderTest, work: string, round: number): Promise<string[]> {
  const script = new URL("until-killed.ts", import.meta.url).pathname;
  const progress = join(place.numbersFolder, "progress");
  writeFileSync(progress, "");
  const abort = new AbortController();
  const onStdout = (): unknown => setTimeout(() => abort.abort(), 4 * round);
  const parts = [JSON.stringify(place.config), place.numbersFolder, vm.vmId, String(round), progress];
  const child = run("env", [process.execPath, `--conditions=${platformName}`, script, work, ...parts], {
    signal: abort.signal,
    onStdout,
  });
  expect(await codeOf(child)).toBe("interrupted");
  return readFileSync(progress, "utf8").split("\n").slice(0, -1);
}

/** Commands killed at any moment, as often as that takes to hit different moments. */
export function killTests(factory: StorageFactory): void {
  describe("killed at any moment", () => {
    test("a fork is there in full or not at all, and the source is whole", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await ready(storage);
      for (const round of rounds) {
        await putVm(storage, 1, 65_536, round);
        const done = await killedDuring(place, "fork", round);
        await place.again().open();
        const { vmIds } = await storage.list();
        expect(vmIds).toEqual(expect.arrayContaining(done));
        for (const id of vmIds) {
          await expectVm(storage, Number.parseInt(id, 16), { 0: 0x11, 65536: round, [mib]: 0x22 });
        }
        expect(await leftAfterOpening(place)).toEqual([]);
        for (const id of vmIds.slice(1)) await storage.removeVm({ vmId: id });
      }
      await removeSource(storage, 1);
      expect(await place.leftovers()).toEqual([]);
    });

    test("a snapshot is there in full or not at all, and the disk is whole", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await ready(storage);
      for (const round of rounds) {
        await putVm(storage, 1, 65_536, round);
        const done = await killedDuring(place, "snapshot", round);
        await place.again().open();
        const { snapshots } = await storage.list();
        expect(snapshots.map(({ snapshotId }) => snapshotId)).toEqual(expect.arrayContaining(done));
        for (const snapshot of snapshots) {
          await using disk = await storage.readSnapshot(snapshot);
          await expectBytes(disk, { 0: 0x11, 65536: round, [mib]: 0x22 });
        }
        await expectVm(storage, 1, { 0: 0x11, 65536: round, [mib]: 0x22 });
        expect(await leftAfterOpening(place)).toEqual([]);
        for (const snapshot of snapshots) await storage.removeSnapshot(snapshot);
      }
      await storage.removeVm(vm);
      expect(await place.leftovers()).toEqual([]);
    });

    test("a restore leaves the old disk or the new one, and every snapshot", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await ready(storage);
      for (const [snapshotId, byte] of Object.entries(states)) {
        await putVm(storage, 1, 0, byte);
        await putVm(storage, 1, mib, byte);
        await storage.snapshot({ ...vm, snapshotId });
      }
      for (const round of rounds) {
        await killedDuring(place, "restore", round);
        await place.again().open();
        expect((await storage.list()).vmIds).toEqual([vm.vmId]);
        const inFirst = await holds(expectVm(storage, 1, { 0: 0xaa, [mib]: 0xaa }));
        if (!inFirst) await expectVm(storage, 1, { 0: 0xbb, [mib]: 0xbb });
        for (const [snapshotId, byte] of Object.entries(states)) {
          await using disk = await storage.readSnapshot({ ...vm, snapshotId });
          await expectBytes(disk, { 0: byte, 65536: 0x11, [mib]: byte });
        }
        expect(await leftAfterOpening(place)).toEqual([]);
      }
      await storage.removeVm(vm);
      expect(await storage.list()).toMatchObject({ vmIds: [], snapshots: [] });
      expect(await place.leftovers()).toEqual([]);
    });
  });
}

/** What stays however often storage is opened. A program that the killed command ran may have ended a moment after it. */
async function leftAfterOpening(place: StorageUnderTest): Promise<readonly string[]> {
  for (let attempt = 0; attempt < 50; attempt++) {
    if ((await place.leftovers()).length === 0) break;
    await sleep(20);
    await place.again().open();
  }
  return await place.leftovers();
}

/** Whether an expectation holds. */
async function holds(expectation: Promise<void>): Promise<boolean> {
  return expectation.then(
    () => true,
    () => false,
  );
}
