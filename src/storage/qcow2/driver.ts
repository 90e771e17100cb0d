import { mkdirSync, statSync } from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { isLocked } from "../../host/file-locks.ts";
import { syncFolder } from "../../host/files.ts";
import {
  imageStagingPath,
  importImageFile,
  listDisks,
  makeFolders,
  makeParent,
  readStaging,
  removeFolders,
  removeIfEmpty,
  removeImageFile,
  snapshotsOfVm,
  statIfThere,
} from "../disk-files.ts";
import { attempt } from "../failure.ts";
import { checkedId, checkSize, imagePath, layoutOf, snapshotPath, vmPath } from "../layout.ts";
import { readScratchName, scratchName, sweepScratch } from "../scratch.ts";
import type { CloneOptions, DiskLocation, ImageDisk, Storage, StorageConfig, VmDisk } from "../storage.ts";
import { fileSystemUsage } from "../usage.ts";
import { measureDisks } from "./disk-usage.ts";
import { forkOverlay, makeOverlay, type NewDisk, openElsewhere } from "./fork.ts";
import { largestDiskBytes } from "./header.ts";
import { chainOf, collectLayers, dropped, filesInUse, imageBase, type Qcow2Layout } from "./layers.ts";
import { readOverlay, writeSize } from "./overlay.ts";
import {
  cloneSnapshot,
  readableSnapshot,
  removeSnapshots,
  restoreSnapshot,
  takeSnapshot,
} from "./snapshots.ts";

/**
 * Disks as qcow2 overlays over a raw image, on any file system and without root. A fork freezes what its source has
 * written as a layer under both, so every fork of a VM that has written lengthens the source's chain by one file.
 */
export function createQcow2(config: StorageConfig): Storage {
  const layout: Qcow2Layout = { ...layoutOf(config, ".qcow2"), layers: join(config.folder, "layers") };
  const folders = [layout.images, layout.layers, layout.vms, layout.snapshots, layout.staging];

  return {
    name: "qcow2",
    capabilities: {
      clones: true,
      independentClones: false,
      independentForks: true,
      clonesOpenDisks: false,
      growsOpenDisks: false,
    },

    init: () =>
      attempt(`set up the storage at '${layout.folder}'`, async () => {
        makeParent(layout.folder);
        makeFolders(layout.folder, folders);
        await collectLayers(layout);
        sweepScratch(layout.staging);
      }),
    open: () =>
      attempt(`open the storage at '${layout.folder}'`, async () => {
        // A command that was killed over the layers left a scratch file too, so most times there is nothing to do.
        const names = readStaging(layout);
        mkdirSync(layout.snapshots, { recursive: true, mode: 0o700 }); // storages of an earlier release have none
        if (!names.some((name) => readScratchName(name)?.ownerAlive === false)) return;
        await collectLayers(layout);
        sweepScratch(layout.staging);
      }),
    deinit: (purge) =>
      attempt(`take down the storage at '${layout.folder}'`, async () => {
        if (!purge) return;
        await removeFolders(folders);
        removeIfEmpty(layout.folder);
      }),

    stagingPath: async (imageId) => imageStagingPath(layout, { imageId }),
    importImage: (image, path) => attempt("import an image", () => importImageFile(layout, image, path)),
    cloneImage: (image, vm, options) =>
      attempt("clone an image", () => cloneImage(layout, image, vm, options)),
    cloneVm: (source, vm, options) =>
      attempt("clone a VM's disk", async () => {
        const disk = newDisk(layout, vm, options);
        await forkOverlay(layout, existing(layout, source), disk);
        return { path: disk.path, format: "qcow2" };
      }),
    locate: (vm) => ({ path: vmPath(layout, vm), format: "qcow2" }),
    activate: (vm) =>
      attempt("open a VM's disk", async () => ({ path: existing(layout, vm), format: "qcow2" })),
    deactivate: async (vm) => void checkedId(vm.vmId), // a file is always there
    grow: (vm, sizeBytes) => attempt("grow a VM's disk", () => grow(existing(layout, vm), sizeBytes)),

    snapshot: (snapshot) =>
      attempt("make a snapshot", async () => {
        snapshotPath(layout, snapshot);
        await takeSnapshot(layout, snapshot, existing(layout, snapshot));
      }),
    restore: (snapshot) =>
      attempt("restore a snapshot", async () => {
        snapshotPath(layout, snapshot);
        await restoreSnapshot(layout, snapshot, existing(layout, snapshot));
      }),
    cloneSnapshot: (source, vm, options) =>
      attempt("clone a snapshot", async () => {
        const disk = newDisk(layout, vm, options);
        await cloneSnapshot(layout, source, disk);
        return { path: disk.path, format: "qcow2" };
      }),
    readSnapshot: (snapshot) => attempt("read a snapshot", () => readableSnapshot(layout, snapshot)),
    removeSnapshot: (snapshot) => attempt("remove a snapshot", () => removeSnapshots(layout, [snapshot])),

    removeImage: (image) => attempt("remove an image", () => removeImage(layout, image)),
    removeVm: (vm) => attempt("remove a VM's disk", () => removeVm(layout, vm)),
    list: () => attempt("list the disks", async () => listDisks(layout)),
    usage: () => attempt("measure the storage", () => fileSystemUsage(layout.folder)),
    diskUsage: () => attempt("measure the disks", () => measureDisks(layout)),
    occupiedBytes: (vm) =>
      attempt("measure a VM's disk", async () => {
        const chain = await chainOf(layout, existing(layout, vm));
        return chain.reduce((sum, path) => sum + statSync(path).blocks * 512, 0);
      }),
  };
}

function existing(layout: Qcow2Layout, vm: VmDisk): string {
  const path = vmPath(layout, vm);
  if (statIfThere(path) === undefined) throw new EmberError("vm-not-found", `VM '${vm.vmId}' has no disk`);
  return path;
}

function newDisk(layout: Qcow2Layout, vm: VmDisk, options: CloneOptions): NewDisk {
  checkLargest(options.sizeBytes);
  return { path: vmPath(layout, vm), id: vm.vmId, sizeBytes: options.sizeBytes };
}

function checkLargest(sizeBytes: number): void {
  if (sizeBytes <= largestDiskBytes) return;
  throw new EmberError("invalid-size", `a disk of ${sizeBytes} bytes is too large for storage 'qcow2'`, {
    hint: `at most ${largestDiskBytes} bytes (16 TiB)`,
  });
}

async function cloneImage(
  layout: Qcow2Layout,
  image: ImageDisk,
  vm: VmDisk,
  options: CloneOptions,
): Promise<DiskLocation> {
  const source = imagePath(layout, image);
  const disk = newDisk(layout, vm, options);
  const gone = (): EmberError => new EmberError("image-not-found", `image '${image.imageId}' has no disk`);
  const facts = statIfThere(source);
  if (facts === undefined) throw gone();
  checkSize(disk.sizeBytes, facts.size);
  if (!(await makeOverlay(layout, disk, imageBase(layout, image.imageId)))) throw gone();
  return { path: disk.path, format: "qcow2" };
}

async function grow(path: string, sizeBytes: number): Promise<void> {
  const current = (await readOverlay(path)).sizeBytes;
  if (sizeBytes < current) {
    throw new EmberError("unsupported", `a disk of ${current} bytes cannot be made smaller`);
  }
  checkSize(sizeBytes, current);
  checkLargest(sizeBytes);
  if (sizeBytes === current) return;
  if (isLocked(path)) throw openElsewhere(path);
  await writeSize(path, sizeBytes);
}

async function removeImage(layout: Qcow2Layout, image: ImageDisk): Promise<void> {
  const { path } = imageBase(layout, checkedId(image.imageId));
  if (statIfThere(path) !== undefined && (await filesInUse(layout)).has(path)) {
    throw new EmberError("has-dependants", `VMs were made from image '${image.imageId}' and need it`, {
      hint: "delete them first",
    });
  }
  await removeImageFile(layout, image);
}

/**
 * The disk goes last: until nothing is left of the VM, `list` names it. It is renamed before it is removed; see
 * `dropped`.
 */
async function removeVm(layout: Qcow2Layout, vm: VmDisk): Promise<void> {
  const path = vmPath(layout, vm);
  await removeSnapshots(layout, snapshotsOfVm(layout, vm));
  if (statIfThere(path) === undefined) return;
  const scratch = join(layout.staging, scratchName("drop", vm.vmId));
  await rename(path, scratch);
  syncFolder(layout.vms);
  await dropped(layout, [scratch]);
}
