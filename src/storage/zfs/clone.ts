import { EmberError } from "../../errors/ember-error.ts";
import type { ZfsRow } from "../../host/zfs-list.ts";
import { checkSize } from "../layout.ts";
import { scratchName } from "../scratch.ts";
import type { CloneOptions, DiskLocation, ImageDisk, SnapshotDisk, VmDisk } from "../storage.ts";
import { devicePath, flushDevice } from "./device.ts";
import { findSnapshot, snapshotGone } from "./find.ts";
import { baseName, vmName, volumeBytes } from "./names.ts";
import {
  askedBytes,
  change,
  changeWhenQuiet,
  checkRoom,
  diskMark,
  isWhole,
  look,
  type Place,
  roomNames,
  underway,
} from "./place.ts";

export function locationOf(place: Place, vm: VmDisk): DiskLocation {
  return { path: devicePath(vmName(place.names, vm)), format: "raw" };
}

/** See Storage.cloneImage. */
export async function cloneImage(
  place: Place,
  image: ImageDisk,
  vm: VmDisk,
  options: CloneOptions,
): Promise<DiskLocation> {
  const base = baseName(place.names, image);
  const gone = (): EmberError => new EmberError("image-not-found", `image '${image.imageId}' has no disk`);
  const rows = await look(place, [...roomNames(place), base, vmName(place.names, vm)]);
  const source = rows.get(base);
  if (source === undefined) throw gone();
  if (!(await isThere(place, rows, source, vm, options))) {
    await underway(place, vm.vmId, () => clone(place, base, source, vm, options, gone));
  }
  return locationOf(place, vm);
}

/** See Storage.cloneSnapshot. */
export async function cloneSnapshot(
  place: Place,
  snapshot: SnapshotDisk,
  vm: VmDisk,
  options: CloneOptions,
): Promise<DiskLocation> {
  const target = vmName(place.names, vm);
  const found = await findSnapshot(place, snapshot, [...roomNames(place), target]);
  if (!(await isThere(place, found.rows, found.row, vm, options))) {
    const gone = (): EmberError => snapshotGone(snapshot);
    await underway(place, vm.vmId, () => clone(place, found.row.name, found.row, vm, options, gone));
  }
  return locationOf(place, vm);
}

/**
 * See Storage.cloneVm. The snapshot between the two is destroyed at once, which ZFS puts off for as long as a clone of it
 * is left: so it goes with its last fork, whoever removes that.
 */
export async function cloneVm(
  place: Place,
  source: VmDisk,
  vm: VmDisk,
  options: CloneOptions,
): Promise<DiskLocation> {
  const name = vmName(place.names, source);
  const gone = (): EmberError => vmGone(source);
  const rows = await look(place, [...roomNames(place), name, vmName(place.names, vm)]);
  const row = rows.get(name);
  if (row === undefined || !isWhole(row)) throw gone();
  if (await isThere(place, rows, row, vm, options)) return locationOf(place, vm);
  flushDevice(name);
  return underway(place, vm.vmId, async () => {
    const snapshot = `${name}@fork.${scratchName("new", vm.vmId)}`;
    const { problem } = await change(place, ["snapshot", snapshot], ["missing"]);
    if (problem === "missing") throw gone();
    try {
      await clone(place, snapshot, row, vm, options, gone);
    } finally {
      await changeWhenQuiet(place, ["destroy", "-d", snapshot], ["missing"]);
    }
    return locationOf(place, vm);
  });
}

export function vmGone(vm: VmDisk): EmberError {
  return new EmberError("vm-not-found", `VM '${vm.vmId}' has no disk`);
}

/** ext4 with 4 KiB blocks and 32-bit block numbers ends here; the image writer makes no other. */
const largestBytes = 16 * 1024 ** 4;

export function checkVolumeSize(sizeBytes: number): void {
  checkSize(sizeBytes, 0);
  if (sizeBytes <= largestBytes) return;
  throw new EmberError("invalid-size", `a disk of ${sizeBytes} bytes is too large for storage 'zfs'`, {
    hint: `at most ${largestBytes} bytes (16 TiB)`,
  });
}

/**
 * Whether the wanted disk exists; a half-made one is removed. Throws `invalid-size`, `vm-exists` for another size,
 * `disk-full` when it is still to be made.
 */
async function isThere(
  place: Place,
  rows: ReadonlyMap<string, ZfsRow>,
  source: ZfsRow,
  vm: VmDisk,
  { sizeBytes }: CloneOptions,
): Promise<boolean> {
  checkVolumeSize(sizeBytes);
  checkSize(sizeBytes, askedBytes(source));
  const row = rows.get(vmName(place.names, vm));
  if (row !== undefined && isWhole(row)) {
    if (row.sizeBytes === volumeBytes(sizeBytes)) return true;
    throw new EmberError("vm-exists", `there is a disk '${vm.vmId}' of another size already`);
  }
  checkRoom(place, rows);
  if (row !== undefined) await changeWhenQuiet(place, ["destroy", "-r", row.name], ["missing"]);
  return false;
}

/**
 * The size is set before the mark, in this order, so a volume with the mark is whole. A size that stays is not set: that
 * would write, and a clone that wrote nothing is known to share all.
 */
async function clone(
  place: Place,
  snapshot: string,
  source: ZfsRow,
  vm: VmDisk,
  { sizeBytes }: CloneOptions,
  gone: () => EmberError,
): Promise<void> {
  const target = vmName(place.names, vm);
  const size = volumeBytes(sizeBytes) === source.sizeBytes ? [] : ["-o", `volsize=${volumeBytes(sizeBytes)}`];
  const options = [...size, "-o", diskMark(vm.vmId, sizeBytes)];
  const { problem } = await change(place, ["clone", ...options, snapshot, target], ["missing", "exists"]);
  if (problem === "missing") throw gone();
  if (problem !== "exists") return;
  const made = (await look(place, [target])).get(target);
  if (made?.sizeBytes === volumeBytes(sizeBytes)) return; // by another command, at the same time
  throw new EmberError("vm-exists", `there is a disk '${vm.vmId}' of another size already`);
}

/** See Storage.grow. */
export async function grow(place: Place, vm: VmDisk, sizeBytes: number): Promise<void> {
  const name = vmName(place.names, vm);
  const row = (await look(place, [name])).get(name);
  if (row === undefined || !isWhole(row)) throw vmGone(vm);
  const current = row.sizeBytes ?? 0;
  if (volumeBytes(sizeBytes) < current) {
    throw new EmberError("unsupported", `a disk of ${current} bytes cannot be made smaller`);
  }
  checkVolumeSize(sizeBytes);
  if (volumeBytes(sizeBytes) === current) return;
  await change(place, ["set", `volsize=${volumeBytes(sizeBytes)}`, diskMark(vm.vmId, sizeBytes), name]);
}
