import { basename } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { createDevice, listDevices, mapperPath, removeDevice } from "../../host/dmsetup.ts";
import type { ReadableDisk, SnapshotDisk } from "../storage.ts";
import { dropDisk } from "./disks.ts";
import { type DiskName, recordPath, scratchDevice, type ThinLayout, vmDevice } from "./layout.ts";
import { checkRoom, type ThinPlace } from "./pool.ts";
import {
  beginScratch,
  type DiskRecord,
  publishRecord,
  readRecord,
  removeScratch,
  replaceRecord,
} from "./records.ts";
import { thinTable } from "./sizes.ts";
import { deactivateDisk, dropThin, isOpen, makeClone, undo } from "./volumes.ts";

// All of this under the lock. A snapshot is a thin device as any other, which is only never opened for writing.

export function diskOf(snapshot: SnapshotDisk): DiskName {
  return { kind: "snapshot", vmId: snapshot.vmId, snapshotId: snapshot.snapshotId };
}

/** The record of a snapshot. Throws `snapshot-not-found`. */
export function snapshotRecord(layout: ThinLayout, snapshot: SnapshotDisk): DiskRecord {
  const record = readRecord(recordPath(layout, diskOf(snapshot)));
  if (record !== undefined) return record;
  throw new EmberError("snapshot-not-found", `snapshot '${snapshot.snapshotId}' has no disk`);
}

/** See Storage.snapshot; `vm` is the record of the VM's disk. */
export async function snapshotDisk(place: ThinPlace, snapshot: SnapshotDisk, vm: DiskRecord): Promise<void> {
  const path = recordPath(place.layout, diskOf(snapshot));
  if (readRecord(path) !== undefined) return;
  await checkRoom(place, "make a snapshot");
  const scratch = beginScratch(place.layout, "new", snapshot.snapshotId);
  try {
    const thinId = await makeClone(place, basename(scratch), vm.thinId, vmDevice(place.layout, snapshot));
    await publishRecord(scratch, path, { thinId, sizeBytes: vm.sizeBytes });
  } catch (error) {
    await undo(place, scratch);
    throw error;
  }
}

/** See Storage.restore. The disk changes in one step: when its record names the new thin device instead of the old. */
export async function restore(place: ThinPlace, snapshot: SnapshotDisk, vm: DiskRecord): Promise<void> {
  const { layout } = place;
  const source = snapshotRecord(layout, snapshot);
  if (await isOpen(place, snapshot)) {
    throw new EmberError("wrong-state", `the disk of VM '${snapshot.vmId}' is in use`, {
      hint: "stop the VM, then try again",
    });
  }
  await checkRoom(place, "restore a snapshot");
  await deactivateDisk(place, snapshot);
  const scratch = beginScratch(layout, "new", snapshot.vmId);
  const old = beginScratch(layout, "drop", snapshot.vmId); // so that the old thin device is found, should we be killed
  try {
    const thinId = await makeClone(place, basename(scratch), source.thinId);
    const record = { thinId, sizeBytes: source.sizeBytes };
    await replaceRecord(scratch, recordPath(layout, { kind: "vm", vmId: snapshot.vmId }), record);
  } catch (error) {
    await undo(place, scratch);
    removeScratch(old);
    throw error;
  }
  await dropThin(place, vm.thinId);
  removeScratch(old);
}

/** The scratch file's name holds the snapshot's id: `removeSnapshot` sees by it that somebody reads. */
export async function readSnapshot(place: ThinPlace, snapshot: SnapshotDisk): Promise<ReadableDisk> {
  const { thinId, sizeBytes } = snapshotRecord(place.layout, snapshot);
  const scratch = beginScratch(place.layout, "new", snapshot.snapshotId);
  const device = scratchDevice(place.layout, basename(scratch));
  const close = async (): Promise<void> => {
    if ((await removeDevice(device)) === "gone") removeScratch(scratch);
  };
  try {
    await createDevice(device, thinTable(mapperPath(place.layout.pool), thinId, sizeBytes), {
      readOnly: true,
    });
  } catch (error) {
    await close();
    throw error;
  }
  return { path: mapperPath(device), format: "raw", sizeBytes, [Symbol.asyncDispose]: close };
}

/** Throws `busy` while somebody reads it. */
export async function removeSnapshot(place: ThinPlace, snapshot: SnapshotDisk): Promise<void> {
  const disk = diskOf(snapshot);
  recordPath(place.layout, disk); // refuses what is no id
  if (listDevices(scratchDevice(place.layout, `new-${snapshot.snapshotId}-`)).length > 0) {
    throw new EmberError("busy", `snapshot '${snapshot.snapshotId}' is being read`, {
      hint: "wait for the command that reads it, then try again",
    });
  }
  await dropDisk(place, disk);
}
