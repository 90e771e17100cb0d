import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  type Stats,
  statSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { EmberError, errnoCode } from "../errors/ember-error.ts";
import { ensurePrivateFolder, syncFolder } from "../host/files.ts";
import { checkedId, idsOf, imagePath, type Layout, snapshotPath, snapshotsOf } from "./layout.ts";
import { publish, syncFile } from "./publish.ts";
import type { ImageDisk, SnapshotDisk, StorageContent, VmDisk } from "./storage.ts";

// What every storage whose disks are files does in the same way: the folders, and the images' read-only bases.

/** Makes `folder` and the folders in it, private to this user. Idempotent. */
export function makeFolders(folder: string, inner: readonly string[]): void {
  for (const path of [folder, ...inner]) ensurePrivateFolder(path);
  syncFolder(folder);
}

/** Removes the folders and all in them. Idempotent. */
export async function removeFolders(folders: readonly string[]): Promise<void> {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
}

/** Removes a folder unless something that is not ember's is left in it, or it is a mount point. */
export function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    if (!["ENOENT", "ENOTEMPTY", "EEXIST", "EBUSY"].includes(errnoCode(error) ?? "")) throw error;
  }
}

export function statIfThere(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

/** Where the raw disk of an image is written before it is imported: a fixed name, so that it can be found again. */
export function imageStagingPath(layout: Layout, image: ImageDisk): string {
  return `${layout.staging}/${imagePath(layout, image).slice(layout.images.length + 1)}`;
}

/** See Storage.importImage. */
export async function importImageFile(layout: Layout, image: ImageDisk, path: string): Promise<void> {
  const final = imagePath(layout, image);
  if (dirname(resolve(path)) !== layout.staging) {
    throw new EmberError("io-failed", `'${path}' does not lie in the storage's staging folder`);
  }
  const facts = lstatSync(path, { throwIfNoEntry: false });
  if (facts === undefined) {
    if (existsSync(final)) return; // imported before
    throw new EmberError("file-not-found", `there is no disk to import at '${path}'`);
  }
  if (!facts.isFile() || facts.size === 0 || facts.size % 512 !== 0) {
    throw new EmberError(
      "image-invalid",
      `'${path}' is not a disk: a whole number of 512-byte sectors is needed`,
    );
  }
  chmodSync(path, 0o400); // nobody may change a base that others are cloned from
  await syncFile(path);
  await publish(path, final);
}

/** Removes an image's disk and what was staged for it. Post-condition: survives power loss. Idempotent. */
export async function removeImageFile(layout: Layout, image: ImageDisk): Promise<void> {
  await rm(imageStagingPath(layout, image), { force: true });
  await rm(imagePath(layout, image), { force: true });
  syncFolder(layout.images);
}

/** See Storage.list. */
export function listDisks(layout: Layout): StorageContent {
  return {
    imageIds: idsOf(readdirSync(layout.images), ".ext4"),
    vmIds: idsOf(readdirSync(layout.vms), layout.vmSuffix),
    snapshots: snapshotsOf(snapshotNames(layout), layout.vmSuffix),
  };
}

/** Storages of an earlier release have no folder for snapshots until they are opened. */
function snapshotNames(layout: Layout): string[] {
  return statIfThere(layout.snapshots) === undefined ? [] : readdirSync(layout.snapshots);
}

export function snapshotsOfVm(layout: Layout, vm: VmDisk): SnapshotDisk[] {
  const names = snapshotNames(layout).filter((name) => name.startsWith(`${checkedId(vm.vmId)}-`));
  return snapshotsOf(names, layout.vmSuffix);
}

/** Path of a snapshot's file. Throws `snapshot-not-found`. */
export function existingSnapshot(layout: Layout, snapshot: SnapshotDisk): string {
  const path = snapshotPath(layout, snapshot);
  if (statIfThere(path) !== undefined) return path;
  throw new EmberError("snapshot-not-found", `snapshot '${snapshot.snapshotId}' has no disk`);
}

/** Throws `io-failed` when the storage's folders are not there. */
export function readStaging(layout: Layout): string[] {
  try {
    return readdirSync(layout.staging);
  } catch (error) {
    if (errnoCode(error) !== "ENOENT") throw error;
    throw new EmberError("io-failed", `the storage at '${layout.folder}' is gone`, {
      hint: "mount or restore it, or begin anew with 'ember init'",
      cause: error,
    });
  }
}

export function makeParent(folder: string): void {
  mkdirSync(dirname(folder), { recursive: true, mode: 0o700 });
}
