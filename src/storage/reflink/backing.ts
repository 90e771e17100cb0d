import { existsSync, readdirSync, statfsSync } from "node:fs";
import { EmberError, errnoCode } from "../../errors/ember-error.ts";
import { type DiskExtents, readDiskExtents } from "../../host/btrfs.ts";
import { ensurePrivateFolder } from "../../host/files.ts";
import { mountedAt } from "../../host/mounts.ts";
import { run } from "../../host/run.ts";
import { findTool } from "../../host/tools.ts";
import { lowerFileSystemFull } from "../failure.ts";
import type { StorageConfig, StorageContext } from "../storage.ts";
import { deviceMedium } from "./device-medium.ts";
import { fileMedium } from "./file-medium.ts";
import { type FileSystem, fileSystemOf } from "./file-systems.ts";
import type { Medium } from "./medium.ts";
import { mountMedium, mountState, unmountMedium } from "./mount.ts";

/** A file system of ember's own, mounted at the storage's folder. Linux, and to mount it, root. */
export interface Backing {
  /** As Medium.hostFolder. */
  readonly hostFolder: string | undefined;
  /** Throws `disk-full` when the file system that holds the file is full: nothing new is begun then. */
  checkRoom(): void;
  /** Post-condition: it exists and is mounted. Idempotent; what exists is never formatted again. */
  init(): Promise<void>;
  /** As Storage.open; below a millisecond when it is mounted. */
  open(): Promise<void>;
  deinit(purge: boolean): Promise<void>;
  /** As Storage.expand. */
  expand(sizeBytes: number | undefined): Promise<void>;
  trim(): Promise<void>;
  /** Only for btrfs: see `measureDisks`. */
  readonly readExtents: (() => Promise<DiskExtents | undefined>) | undefined;
  /** Whether the file system that holds the file is full: writes above then fail with EIO, not ENOSPC. */
  readonly lowerFull: () => boolean;
}

interface Own {
  readonly medium: Medium;
  readonly kind: FileSystem;
  readonly folder: string;
  readonly lowerFull: () => boolean;
}

export function backingOf(config: StorageConfig, notice: StorageContext["notice"]): Backing | undefined {
  const { folder } = config;
  const medium = mediumOf(config, notice);
  if (medium === undefined) return undefined;
  const { hostFolder } = medium;
  const kind = fileSystemOf(config);
  const lowerFull = (): boolean => {
    if (hostFolder === undefined) return false;
    const facts = statfsSync(hostFolder);
    return facts.bavail * facts.bsize < 16 * 1024 ** 2;
  };
  const own: Own = { medium, kind, folder, lowerFull };
  return {
    hostFolder,
    lowerFull,
    checkRoom: () => {
      if (lowerFull()) throw lowerFileSystemFull(`make a disk in '${folder}'`);
    },
    init: () => init(own),
    open: () => open(own),
    deinit: async (purge) => {
      if (mountState(folder, medium) === "ours") requireRoot(folder);
      await unmountMedium(medium, folder);
      if (purge) await medium.purge(kind);
    },
    expand: (sizeBytes) => expand(own, sizeBytes),
    trim: async () => {
      requireRoot(folder);
      await run("fstrim", ["--", folder], { timeoutMs: 3_600_000 });
    },
    readExtents:
      kind.name === "btrfs" && process.getuid?.() === 0
        ? () => readDiskExtents(medium.path, medium.isDevice)
        : undefined,
  };
}

function mediumOf(config: StorageConfig, notice: StorageContext["notice"]): Medium | undefined {
  if (config.device !== undefined) return deviceMedium(config.device);
  if (config.backingFile === undefined) return undefined;
  return fileMedium(config.backingFile, config.backingBytes ?? 0, notice);
}

/** What it takes to make and mount a file system of that kind. */
export function toolsFor(kind: FileSystem, onDevice: boolean): readonly string[] {
  return [kind.mkfs, kind.growTool, "mount", "umount", "losetup", "flock", ...(onDevice ? ["wipefs"] : [])];
}

function requireRoot(folder: string): void {
  if (process.getuid?.() === 0) return;
  throw new EmberError(
    "permission-denied",
    `the storage at '${folder}' can only be mounted, unmounted and grown by root`,
    {
      hint: "run a command once as root ('sudo ember info' mounts it), or use --storage qcow2",
    },
  );
}

async function init(own: Own): Promise<void> {
  const { medium, kind, folder } = own;
  requireRoot(folder);
  for (const tool of toolsFor(kind, medium.isDevice)) findTool(tool);
  if (existsSync(folder) && mountState(folder, medium) === "no" && readdirSync(folder).length > 0) {
    throw new EmberError(
      "already-initialized",
      `'${folder}' holds files that the storage's mount would hide`,
      {
        hint: "move them away, or choose another place with --storage-path",
      },
    );
  }
  ensurePrivateFolder(folder);
  if (mountState(folder, medium) !== "ours") await medium.make(kind);
  await mountUnless(own);
}

/** Post-condition: the medium is what is mounted at the folder. Throws `permission-denied`, `io-failed`. */
async function mountUnless({ medium, kind, folder }: Own): Promise<void> {
  const state = mountState(folder, medium);
  if (state === "ours") return;
  medium.check(kind);
  if (state === "other") {
    throw new EmberError("io-failed", `another file system is mounted at '${folder}'`, {
      hint: `unmount it ('umount ${folder}'), then try again`,
    });
  }
  requireRoot(folder);
  ensurePrivateFolder(folder);
  await mountMedium(medium, kind, folder);
}

async function open(own: Own): Promise<void> {
  await mountUnless(own);
  const cause = whyBroken(own.folder);
  if (cause === undefined) return;
  if (own.lowerFull()) throw lowerFileSystemFull(`open the storage at '${own.folder}'`, cause);
  await mountAgain(own, cause);
}

/**
 * A file system shuts itself down (XFS) or takes nothing more (btrfs) when what is below fails, as when the file could
 * not grow; only mounting again brings it back. Undefined when it works.
 */
function whyBroken(folder: string): Error | undefined {
  try {
    readdirSync(folder);
  } catch (error) {
    if (errnoCode(error) !== "EIO" || !(error instanceof Error)) throw error;
    return error;
  }
  return mountedAt(folder)?.readOnly === true ? new Error("it is mounted read-only") : undefined;
}

async function mountAgain({ medium, kind, folder }: Own, cause: Error): Promise<void> {
  const stopped = (hint: string): EmberError =>
    new EmberError("io-failed", `the file system of the storage at '${folder}' has stopped after an error`, {
      hint,
      cause,
    });
  if (process.getuid?.() !== 0)
    throw stopped("run a command once as root ('sudo ember info'): it is mounted again then");
  try {
    await unmountMedium(medium, folder);
  } catch (error) {
    if (!(error instanceof EmberError) || error.code !== "busy") throw error;
    throw stopped("stop the VMs ('ember vm stop NAME --force'), then try again: it is mounted again then");
  }
  medium.check(kind);
  await mountMedium(medium, kind, folder);
  if (whyBroken(folder) === undefined) return;
  const check = kind.name === "xfs" ? "xfs_repair" : "btrfs check";
  throw stopped(
    `see what 'dmesg' tells of it; after 'umount ${folder}', '${check} ${medium.path}' examines it`,
  );
}

async function expand({ medium, kind, folder }: Own, sizeBytes: number | undefined): Promise<void> {
  requireRoot(folder);
  await medium.grow(kind, sizeBytes);
  await run(kind.growTool, kind.growArguments(folder), { timeoutMs: 600_000 });
}
