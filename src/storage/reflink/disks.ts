import { mkdirSync, readdirSync, rmdirSync, statSync } from "node:fs";
import { rm, truncate } from "node:fs/promises";
import { EmberError } from "../../errors/ember-error.ts";
import { ensurePrivateFolder, syncFolder } from "../../host/files.ts";
import {
  existingSnapshot,
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
import { attempt, cannotClone } from "../failure.ts";
import { checkedId, checkSize, imagePath, type Layout, layoutOf, snapshotPath, vmPath } from "../layout.ts";
import { syncFile } from "../publish.ts";
import { sweepScratch } from "../scratch.ts";
import type { CloneOptions, ReadableDisk, Storage, StorageConfig, VmDisk } from "../storage.ts";
import { fileSystemUsage } from "../usage.ts";
import type { Backing } from "./backing.ts";
import { canClone, cloneFile, restoreFile, snapshotFile } from "./clone.ts";
import { measureDisks } from "./disk-usage.ts";
import type { ReflinkMeans } from "./means.ts";

/** Disks as raw files on a file system that shares blocks between files, by what a platform has for that. */
export function createReflinkDisks(
  means: ReflinkMeans,
  config: StorageConfig,
  backing: Backing | undefined,
): Storage {
  const layout = layoutOf(config, ".ext4");
  const guarded = <T>(what: string, work: () => Promise<T>): Promise<T> =>
    attempt(what, work, backing?.lowerFull);
  let dataBytes: number | null = null; // as of the last `diskUsage`, for it takes a sweep
  const vmIfThere = (vm: VmDisk): string => existing(vmPath(layout, vm), vm);

  return {
    name: "reflink",
    capabilities: {
      clones: true,
      independentClones: true,
      independentForks: true,
      clonesOpenDisks: true,
      growsOpenDisks: true,
    },

    init: () => guarded(`set up the storage at '${layout.folder}'`, () => init(means, layout, backing)),
    open: () => guarded(`open the storage at '${layout.folder}'`, () => open(layout, backing)),
    deinit: (purge) =>
      guarded(`take down the storage at '${layout.folder}'`, () => deinit(layout, backing, purge)),

    stagingPath: async (imageId) => imageStagingPath(layout, { imageId }),
    importImage: (image, path) =>
      guarded("import an image", async () => {
        backing?.checkRoom();
        await importImageFile(layout, image, path);
      }),

    cloneImage: (image, vm, options) =>
      guarded("clone an image", async () => {
        const source = imagePath(layout, image);
        const final = vmPath(layout, vm);
        if (statIfThere(source) === undefined) {
          throw new EmberError("image-not-found", `image '${image.imageId}' has no disk`);
        }
        backing?.checkRoom();
        return clone(means, layout, source, final, vm, options);
      }),
    cloneVm: (source, vm, options) =>
      guarded("clone a VM's disk", async () => {
        const final = vmPath(layout, vm);
        backing?.checkRoom();
        return clone(means, layout, vmIfThere(source), final, vm, options);
      }),
    locate: (vm) => ({ path: vmPath(layout, vm), format: "raw" }),
    activate: (vm) => guarded("open a VM's disk", async () => ({ path: vmIfThere(vm), format: "raw" })),
    deactivate: async (vm) => void checkedId(vm.vmId), // a file is always there
    grow: (vm, sizeBytes) =>
      guarded("grow a VM's disk", async () => {
        const path = vmIfThere(vm);
        await growFile(path, sizeBytes);
      }),

    snapshot: (snapshot) =>
      guarded("make a snapshot", async () => {
        const final = snapshotPath(layout, snapshot);
        const source = vmIfThere(snapshot);
        backing?.checkRoom();
        await snapshotFile(means, source, final, { folder: layout.staging, id: snapshot.snapshotId });
      }),
    restore: (snapshot) =>
      guarded("restore a snapshot", async () => {
        const vm = vmIfThere(snapshot);
        const source = existingSnapshot(layout, snapshot);
        if (means.isInUse(vm)) {
          throw new EmberError("wrong-state", `the disk '${vm}' is in use by a hypervisor`, {
            hint: "stop the VM first",
          });
        }
        backing?.checkRoom();
        await restoreFile(means, source, vm, { folder: layout.staging, id: snapshot.vmId });
      }),
    cloneSnapshot: (source, vm, options) =>
      guarded("clone a snapshot", async () => {
        const final = vmPath(layout, vm);
        backing?.checkRoom();
        return clone(means, layout, existingSnapshot(layout, source), final, vm, options);
      }),
    readSnapshot: (snapshot) =>
      guarded("read a snapshot", async () => readable(existingSnapshot(layout, snapshot))),
    removeSnapshot: (snapshot) =>
      guarded("remove a snapshot", async () => {
        await rm(snapshotPath(layout, snapshot), { force: true });
        syncFolder(layout.snapshots);
      }),

    removeImage: (image) => guarded("remove an image", () => removeImageFile(layout, image)),
    removeVm: (vm) => guarded("remove a VM's disk", () => removeVm(layout, vm)),
    list: () => guarded("list the disks", async () => listDisks(layout)),
    usage: () =>
      guarded("measure the storage", async () => {
        const usage = await fileSystemUsage(layout.folder, backing?.hostFolder);
        // On a file system of others there is more than disks and metadata.
        if (backing === undefined || dataBytes === null) return usage;
        return { ...usage, reservedBytes: Math.max(0, usage.usedBytes - dataBytes) };
      }),
    diskUsage: () =>
      guarded("measure the disks", async () => {
        const measurement = await measureDisks(means, layout, backing);
        dataBytes = measurement.dataBytes;
        return measurement.disks;
      }),
    occupiedBytes: (vm) => guarded("measure a VM's disk", async () => statSync(vmIfThere(vm)).blocks * 512),
    ...(backing === undefined
      ? {}
      : {
          expand: (sizeBytes) =>
            guarded(`grow the storage at '${layout.folder}'`, () => backing.expand(sizeBytes)),
          trim: () => guarded(`trim the storage at '${layout.folder}'`, () => backing.trim()),
        }),
  };
}

/** The disk goes last: until nothing is left of the VM, `list` names it. */
async function removeVm(layout: Layout, vm: VmDisk): Promise<void> {
  const path = vmPath(layout, vm);
  const snapshots = snapshotsOfVm(layout, vm);
  for (const snapshot of snapshots) await rm(snapshotPath(layout, snapshot), { force: true });
  if (snapshots.length > 0) syncFolder(layout.snapshots);
  await rm(path, { force: true });
  syncFolder(layout.vms);
}

function readable(path: string): ReadableDisk {
  return {
    path,
    format: "raw",
    sizeBytes: statSync(path).size,
    [Symbol.asyncDispose]: async () => undefined, // nothing is held open
  };
}

function existing(path: string, vm: VmDisk): string {
  if (statIfThere(path) === undefined) throw new EmberError("vm-not-found", `VM '${vm.vmId}' has no disk`);
  return path;
}

function foldersOf({ images, vms, snapshots, staging }: Layout): string[] {
  return [images, vms, snapshots, staging];
}

async function init(means: ReflinkMeans, layout: Layout, backing: Backing | undefined): Promise<void> {
  makeParent(layout.folder);
  await backing?.init();
  ensurePrivateFolder(layout.folder);
  if (!(await canClone(means, layout.folder))) {
    if (readdirSync(layout.folder).length === 0) rmdirSync(layout.folder);
    throw cannotClone(layout.folder, means.remedy);
  }
  makeFolders(layout.folder, foldersOf(layout));
  sweepScratch(layout.folder);
  sweepScratch(layout.staging);
}

async function open(layout: Layout, backing: Backing | undefined): Promise<void> {
  await backing?.open();
  readStaging(layout);
  mkdirSync(layout.snapshots, { recursive: true, mode: 0o700 }); // storages of an earlier release have none
  sweepScratch(layout.staging);
}

async function deinit(layout: Layout, backing: Backing | undefined, purge: boolean): Promise<void> {
  if (backing !== undefined) {
    await backing.deinit(purge);
  } else if (purge) {
    await removeFolders(foldersOf(layout));
  }
  if (purge) removeIfEmpty(layout.folder);
}

async function clone(
  means: ReflinkMeans,
  layout: Layout,
  source: string,
  final: string,
  vm: VmDisk,
  options: CloneOptions,
) {
  await cloneFile(means, source, final, { folder: layout.staging, id: vm.vmId }, options);
  return { path: final, format: "raw" } as const;
}

async function growFile(path: string, sizeBytes: number): Promise<void> {
  const current = statSync(path).size;
  if (sizeBytes < current) {
    throw new EmberError("unsupported", `a disk of ${current} bytes cannot be made smaller`);
  }
  checkSize(sizeBytes, current);
  if (sizeBytes === current) return;
  await truncate(path, sizeBytes);
  await syncFile(path);
}
