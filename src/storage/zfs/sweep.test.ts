import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  expectVm,
  imageBytes,
  imageId,
  importSample,
  putVm,
  vmId,
} from "../../../test/contract/storage/disks.ts";
import { zfsOnFiles } from "../../../test/contract/storage/factory-zfs.ts";
import { deadScratch } from "../../../test/contract/storage/faults.ts";
import { mib, type StorageUnderTest, skipReason } from "../../../test/contract/storage/place.ts";
import { run } from "../../host/run.ts";
import { zfsList } from "../../host/zfs-list.ts";
import { scratchName } from "../scratch.ts";

// What a killed command leaves, made by hand: each state that a kill between two commands of ZFS can leave.

setDefaultTimeout(600_000);
const skipped = skipReason("what killed commands leave in a pool", zfsOnFiles) !== undefined;
const vm = { vmId: vmId(1) };
const snapshot = { ...vm, snapshotId: "aaaaaaaa" };

interface Pool {
  readonly root: string;
  readonly disk: string;
  readonly snapshot: string;
}

function poolOf(place: StorageUnderTest): Pool {
  const root = `${place.config.pool}/ember`;
  const disk = `${root}/vms/${vm.vmId}`;
  return { root, disk, snapshot: `${disk}@snap-${vm.vmId}-${snapshot.snapshotId}` };
}

const zfs = (...args: string[]): Promise<unknown> => run("zfs", args);

/** VM 1 holds 0x44 at its start, and 0x33 in its snapshot. */
async function ready(place: StorageUnderTest): Promise<void> {
  const { storage } = place;
  await storage.init();
  await importSample(storage);
  await storage.cloneImage({ imageId }, vm, { sizeBytes: imageBytes });
  await putVm(storage, 1, 0, 0x33);
  await storage.snapshot(snapshot);
  await putVm(storage, 1, 0, 0x44);
}

/** A killed command's note, and the next command. */
async function openAfterKill(place: StorageUnderTest): Promise<void> {
  writeFileSync(join(place.config.folder, "staging", deadScratch("new", vm.vmId)), "");
  await place.again().open();
}

async function inScratch(place: StorageUnderTest): Promise<string[]> {
  const { root } = poolOf(place);
  const rows = await zfsList(place.config.pool ?? "", [`${root}/scratch`], { recursive: true });
  return rows.map(({ name }) => name.slice(`${root}/scratch/`.length)).filter((name) => name !== "");
}

describe.skipIf(skipped)("after a kill, the next command", () => {
  test("removes what was being made or read, and leaves what a living command needs", async () => {
    await using place = await zfsOnFiles.make();
    await ready(place);
    const { root, disk, snapshot: from } = poolOf(place);
    const living = `read.${scratchName("new", vm.vmId)}`;
    const dead = deadScratch("new", vm.vmId);
    await zfs("snapshot", `${disk}@fork.${dead}`);
    await zfs("create", "-s", "-V", "2M", `${root}/scratch/import.${dead}`);
    await zfs("snapshot", `${root}/scratch/import.${dead}@base`);
    await zfs("clone", from, `${root}/scratch/swap.${dead}`);
    await zfs("clone", from, `${root}/scratch/${living}`);
    await openAfterKill(place);
    expect(await inScratch(place)).toEqual([living]);
    await zfs("destroy", `${root}/scratch/${living}`);
    expect(await place.leftovers()).toEqual([]);
    await expectVm(place.storage, 1, { 0: 0x44, [mib]: 0x22 });
    expect((await place.storage.list()).snapshots).toEqual([snapshot]);
  });

  for (const renames of [1, 2]) {
    test(`finishes a restore that was stopped after ${renames} of its 2 renames`, async () => {
      await using place = await zfsOnFiles.make();
      await ready(place);
      const { storage } = place;
      const { root, disk, snapshot: from } = poolOf(place);
      const fresh = `${root}/scratch/swap.${deadScratch("new", vm.vmId)}`;
      await zfs("clone", "-o", `org.ember:disk=${vm.vmId}:${imageBytes}`, from, fresh);
      await zfs("rename", disk, `${root}/history/${vm.vmId}-00000000`);
      if (renames === 2) await zfs("rename", fresh, disk);
      await openAfterKill(place);
      await expectVm(storage, 1, { 0: 0x33, [mib]: 0x22 });
      expect(await storage.list()).toEqual({
        imageIds: [imageId],
        vmIds: [vm.vmId],
        snapshots: [snapshot],
      });
      expect(await place.leftovers()).toEqual([]);
      await storage.restore(snapshot);
      await storage.removeVm(vm);
      expect(await place.leftovers()).toEqual([]);
    });
  }
});
