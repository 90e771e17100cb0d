import { rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { findDevice } from "../../host/dmsetup.ts";
import { syncFolder } from "../../host/files.ts";
import { checkSize } from "../layout.ts";
import { scratchName } from "../scratch.ts";
import type { CloneOptions, VmDisk } from "../storage.ts";
import { type DiskName, recordPath, type ThinLayout, vmDevice } from "./layout.ts";
import { checkRoom, type ThinPlace } from "./pool.ts";
import {
  beginScratch,
  type DiskRecord,
  publishRecord,
  readRecord,
  removeScratch,
  replaceRecord,
  snapshotsIn,
} from "./records.ts";
import { activateDisk, deactivateDisk, dropThin, makeClone, undo } from "./volumes.ts";

// All of this under the lock.

/** A VM's disk that shares all blocks with `source`, which may be open as `openAs`. It is not active. */
export async function cloneDisk(
  place: ThinPlace,
  source: DiskRecord,
  vm: VmDisk,
  options: CloneOptions,
  openAs?: string,
): Promise<void> {
  const path = recordPath(place.layout, { kind: "vm", vmId: vm.vmId });
  checkSize(options.sizeBytes, source.sizeBytes);
  const known = readRecord(path);
  if (known !== undefined) {
    if (known.sizeBytes === options.sizeBytes) return;
    throw new EmberError("vm-exists", `there is a disk '${vm.vmId}' of another size already`);
  }
  await checkRoom(place, "clone a disk");
  const scratch = beginScratch(place.layout, "new", vm.vmId);
  try {
    const thinId = await makeClone(place, basename(scratch), source.thinId, openAs);
    await publishRecord(scratch, path, { thinId, sizeBytes: options.sizeBytes });
  } catch (error) {
    await undo(place, scratch);
    throw error;
  }
}

/** Works while a hypervisor has the disk open. Killed before the device has the new size, activating or growing gives it. */
export async function growDisk(
  place: ThinPlace,
  vm: VmDisk,
  record: DiskRecord,
  sizeBytes: number,
): Promise<void> {
  if (sizeBytes < record.sizeBytes) {
    throw new EmberError("unsupported", `a disk of ${record.sizeBytes} bytes cannot be made smaller`);
  }
  checkSize(sizeBytes, record.sizeBytes);
  const grown = { thinId: record.thinId, sizeBytes };
  if (sizeBytes !== record.sizeBytes) {
    const scratch = beginScratch(place.layout, "new", vm.vmId);
    try {
      await replaceRecord(scratch, recordPath(place.layout, { kind: "vm", vmId: vm.vmId }), grown);
    } finally {
      removeScratch(scratch);
    }
  }
  if (findDevice(vmDevice(place.layout, vm)) !== undefined) await activateDisk(place, vm, grown);
}

/**
 * Removes a disk. Its record goes first, to where a killed command's leftovers are found; while it cannot be removed,
 * it comes back. Idempotent.
 */
export async function dropDisk(place: ThinPlace, disk: DiskName): Promise<void> {
  const path = recordPath(place.layout, disk);
  const record = readRecord(path);
  if (record === undefined) return;
  const scratch = dropScratch(place.layout, disk);
  await rename(path, scratch);
  syncFolder(dirname(path));
  try {
    await dropThin(place, record.thinId);
  } catch (error) {
    await rename(scratch, path);
    throw error;
  }
  removeScratch(scratch);
}

function dropScratch(layout: ThinLayout, disk: DiskName): string {
  const id = disk.kind === "image" ? disk.imageId : disk.vmId;
  return join(layout.staging, scratchName("drop", id));
}

/** Throws `busy` when something has it open. */
export async function removeVm(place: ThinPlace, vm: VmDisk): Promise<void> {
  await deactivateDisk(place, vm);
  for (const snapshot of snapshotsIn(place.layout, vm.vmId)) await dropDisk(place, snapshot);
  await dropDisk(place, { kind: "vm", vmId: vm.vmId });
}
