import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { EmberError, toEmberError } from "../errors/ember-error.ts";
import { findTool } from "../host/tools.ts";
import type { StorageChoice, StorageWish } from "./choice.ts";
import { makeParent, statIfThere } from "./disk-files.ts";
import { cannotClone } from "./failure.ts";
import { leastBackingBytes } from "./reflink/backing-file.ts";
import { canClone } from "./reflink/clone.ts";
import { createReflink } from "./reflink/driver.ts";
import type { StorageConfig } from "./storage.ts";
import { freeBytes } from "./usage.ts";

/**
 * The best storage that works here: the state folder's own file system where it shares blocks; else, as root, an XFS
 * in a sparse file; else qcow2 overlays. Nothing is guessed from names: blocks are cloned, and the XFS is made and
 * mounted (`init` of the choice then finds it ready).
 */
export async function chooseAuto(wish: StorageWish): Promise<StorageChoice> {
  return wish.sizeBytes === undefined && wish.device === undefined && wish.fileSystem === undefined
    ? ((await inPlace(wish)) ?? (await ownFileSystemOrQcow2(folderOf(wish))))
    : chooseReflink(wish);
}

/**
 * Throws for a wish that cannot be had: `storage-cannot-clone`, `permission-denied`, `tool-missing`,
 * `host-unsupported`, `invalid-size`, `disk-full`, `usage`.
 */
export async function chooseReflink(wish: StorageWish): Promise<StorageChoice> {
  return (await inPlace(wish)) ?? (await ownFileSystem(folderOf(wish), wish.sizeBytes));
}

export async function chooseQcow2(wish: StorageWish): Promise<StorageChoice> {
  if (wish.sizeBytes !== undefined) {
    throw new EmberError("usage", "--size cannot be used with --storage qcow2, which has no size of its own");
  }
  const folder = folderOf(wish);
  return { config: { driver: "qcow2", folder }, reason: "qcow2: asked for", fresh: !existsSync(folder) };
}

function folderOf(wish: StorageWish): string {
  const folder = wish.storagePath ?? join(wish.stateDir, "storage");
  makeParent(folder);
  return folder;
}

/** The file system that is there already, if it shares blocks and no other is asked for. */
async function inPlace(wish: StorageWish): Promise<StorageChoice | undefined> {
  const folder = folderOf(wish);
  const fresh = !existsSync(folder);
  if (wish.sizeBytes !== undefined || existsSync(fileBeside(folder)) || !(await sharesBlocks(folder)))
    return undefined;
  return {
    config: { driver: "reflink", folder },
    reason: `reflink: the file system of '${dirname(folder)}' shares blocks between files`,
    fresh,
  };
}

function fileBeside(folder: string): string {
  return `${folder}.xfs`;
}

async function sharesBlocks(folder: string): Promise<boolean> {
  return canClone(statIfThere(folder) === undefined ? dirname(folder) : folder).catch((error: unknown) => {
    throw toEmberError(error);
  });
}

/** Throws why this user on this host cannot make and mount a file system. */
function checkCanMount(folder: string): void {
  if (process.getuid?.() !== 0) {
    const cause = cannotClone(dirname(folder));
    throw new EmberError(cause.code, `${cause.message}, and only root can mount one that does`, {
      hint: "use --storage qcow2, a state folder on XFS or btrfs (--state-dir), or run 'ember init' as root",
    });
  }
  for (const tool of ["mkfs.xfs", "mount", "umount", "losetup", "flock"]) findTool(tool);
  if (!mayMount()) {
    throw new EmberError("permission-denied", "root may not mount file systems here (no CAP_SYS_ADMIN)", {
      hint: "use --storage qcow2, or give the container that capability and /dev/loop-control",
    });
  }
  if (!existsSync("/dev/loop-control")) {
    throw new EmberError("host-unsupported", "this host has no loop devices (/dev/loop-control)", {
      hint: "load the module with 'modprobe loop', or use --storage qcow2",
    });
  }
}

/** Whether this process has CAP_SYS_ADMIN, which root in a container often has not. */
function mayMount(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  const sysAdmin = 21n;
  return effective !== undefined && ((BigInt(`0x${effective}`) >> sysAdmin) & 1n) === 1n;
}

const gib = 1024 ** 3;

/**
 * 80 % of what the host has free, in whole GiB, at least 10 GiB. The file is sparse: it takes what is written, and
 * gives back what is deleted, so this is a ceiling and no reservation.
 */
export function defaultBackingBytes(hostFreeBytes: number): number {
  return Math.max(10, Math.floor((hostFreeBytes * 0.8) / gib)) * gib;
}

async function ownFileSystem(folder: string, sizeBytes: number | undefined): Promise<StorageChoice> {
  checkCanMount(folder);
  if (sizeBytes !== undefined && sizeBytes < leastBackingBytes) {
    throw new EmberError("invalid-size", `a storage of ${sizeBytes} bytes is too small`, {
      hint: "at least 301M",
    });
  }
  const backingFile = fileBeside(folder);
  const existing = statIfThere(backingFile);
  const backingBytes = existing?.size ?? sizeBytes ?? defaultBackingBytes(await freeBytes(dirname(folder)));
  const config: StorageConfig = { driver: "reflink", folder, backingFile, backingBytes };
  const size = `${Math.floor((backingBytes / gib) * 10) / 10} GiB`;
  const reason =
    existing === undefined
      ? `reflink: an XFS of up to ${size} in the sparse file '${backingFile}'`
      : `reflink: the XFS of ${size} that is in '${backingFile}' already`;
  const storage = createReflink(config);
  try {
    await storage.init();
  } catch (error) {
    if (existing === undefined) await storage.deinit(true).catch(() => undefined); // the first error says more
    throw error;
  }
  return { config, reason, fresh: existing === undefined };
}

async function ownFileSystemOrQcow2(folder: string): Promise<StorageChoice> {
  try {
    return await ownFileSystem(folder, undefined);
  } catch (error) {
    // A storage that is there already has somebody's disks: never pass it over for an empty one.
    if (existsSync(fileBeside(folder))) throw error;
    const why = toEmberError(error).message;
    return {
      config: { driver: "qcow2", folder },
      reason: `qcow2: the file system of '${dirname(folder)}' cannot share blocks, and ${whyNot(why)}`,
      fresh: !existsSync(folder),
    };
  }
}

function whyNot(message: string): string {
  return `none that can was mounted: ${message.split("\n", 1)[0] ?? message}`;
}
