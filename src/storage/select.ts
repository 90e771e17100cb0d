import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { EmberError, toEmberError } from "../errors/ember-error.ts";
import { deviceBytes, kernelNameOf } from "../host/block-device.ts";
import { formatSize } from "../host/sizes.ts";
import { findTool } from "../host/tools.ts";
import type { StorageChoice, StorageWish } from "./choice.ts";
import { makeParent, statIfThere } from "./disk-files.ts";
import { cannotClone } from "./failure.ts";
import { toolsFor } from "./reflink/backing.ts";
import { canClone } from "./reflink/clone.ts";
import { inspectDevice } from "./reflink/device-medium.ts";
import { createReflink } from "./reflink/driver.ts";
import { type FileSystem, fileSystems } from "./reflink/file-systems.ts";
import { freeBytes } from "./usage.ts";

/**
 * The best storage that works here: the state folder's own file system where it shares blocks; else, as root, an XFS
 * in a sparse file; else qcow2 overlays. Nothing is guessed from names: blocks are cloned, and the XFS is made and
 * mounted (`init` of the choice then finds it ready).
 */
export async function chooseAuto(wish: StorageWish): Promise<StorageChoice> {
  if (wishesOwn(wish)) return chooseReflink(wish);
  refuse(wish, "auto", ["pool", "dataset", "vdo"]);
  return (await inPlace(wish)) ?? (await mountedFileOrQcow2(folderOf(wish)));
}

/**
 * Nothing is made or mounted. Throws for a wish that cannot be had: `storage-cannot-clone`, `permission-denied`,
 * `tool-missing`, `host-unsupported`, `invalid-size`, `already-initialized`, `file-not-found`, `usage`.
 */
export async function chooseReflink(wish: StorageWish): Promise<StorageChoice> {
  refuse(wish, "reflink", ["pool", "dataset", "vdo"]);
  const { device } = wish;
  if (device !== undefined) return onDevice(wish, device);
  return (await inPlace(wish)) ?? (await inFile(folderOf(wish), wish));
}

export async function chooseQcow2(wish: StorageWish): Promise<StorageChoice> {
  refuse(wish, "qcow2", ["sizeBytes", "device", "fileSystem", "pool", "dataset", "vdo"]);
  const folder = folderOf(wish);
  return { config: { driver: "qcow2", folder }, reason: "qcow2: asked for", fresh: !existsSync(folder) };
}

function wishesOwn({ sizeBytes, device, fileSystem }: StorageWish): boolean {
  return sizeBytes !== undefined || device !== undefined || fileSystem !== undefined;
}

type Option = Exclude<keyof StorageWish, "stateDir" | "storagePath">;

/** As the command line calls them, and what they are for. */
const optionNames: Readonly<Record<Option, string>> = {
  sizeBytes: "--size",
  device: "--device",
  fileSystem: "--fs",
  pool: "--pool",
  dataset: "--dataset",
  vdo: "--vdo",
};

function refuse(wish: StorageWish, storage: string, options: readonly Option[]): void {
  const unwanted = options.find((option) => wish[option] !== undefined);
  if (unwanted === undefined) return;
  const other =
    unwanted === "vdo" ? "dm-thin" : unwanted === "pool" || unwanted === "dataset" ? "zfs" : "reflink";
  throw new EmberError("usage", `${optionNames[unwanted]} cannot be used with --storage ${storage}`, {
    hint: `it is for --storage ${other}`,
  });
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
  if (wishesOwn(wish) || fileBeside(folder) !== undefined || !(await sharesBlocks(folder))) return undefined;
  return {
    config: { driver: "reflink", folder },
    reason: `reflink: the file system of '${dirname(folder)}' shares blocks between files`,
    fresh,
  };
}

/** The storage file that is there already, and what is in it by its name. */
function fileBeside(folder: string): FileSystem | undefined {
  return Object.values(fileSystems).find(({ name }) => existsSync(`${folder}.${name}`));
}

async function sharesBlocks(folder: string): Promise<boolean> {
  return canClone(statIfThere(folder) === undefined ? dirname(folder) : folder).catch((error: unknown) => {
    throw toEmberError(error);
  });
}

/** Throws why this user on this host cannot make and mount a file system. */
function checkCanMount(kind: FileSystem, onDevice: boolean, refusal: () => EmberError): void {
  if (process.getuid?.() !== 0) throw refusal();
  for (const tool of toolsFor(kind, onDevice)) findTool(tool);
  if (!mayMount()) {
    throw new EmberError("permission-denied", "root may not mount file systems here (no CAP_SYS_ADMIN)", {
      hint: "use --storage qcow2, or give the container that capability and /dev/loop-control",
    });
  }
  if (!onDevice && !existsSync("/dev/loop-control")) {
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

/** A sparse file beside the folder, that `init` makes unless it is there. */
async function inFile(
  folder: string,
  wish: Pick<StorageWish, "sizeBytes" | "fileSystem">,
): Promise<StorageChoice> {
  const beside = fileBeside(folder);
  const kind = wish.fileSystem === undefined ? (beside ?? fileSystems.xfs) : fileSystems[wish.fileSystem];
  checkCanMount(kind, false, () => {
    const cause = cannotClone(dirname(folder));
    return new EmberError(cause.code, `${cause.message}, and only root can mount one that does`, {
      hint: "use --storage qcow2, a state folder on XFS or btrfs (--state-dir), or run 'ember init' as root",
    });
  });
  if (beside !== undefined && beside !== kind) {
    throw new EmberError("already-initialized", `'${folder}.${beside.name}' holds a storage already`, {
      hint: `use it (--fs ${beside.name}), or move it away`,
    });
  }
  const { sizeBytes } = wish;
  if (sizeBytes !== undefined && sizeBytes < kind.leastBytes) {
    throw new EmberError("invalid-size", `a storage of ${sizeBytes} bytes is too small`, {
      hint: `at least ${kind.leastText}`,
    });
  }
  const backingFile = `${folder}.${kind.name}`;
  const existing = statIfThere(backingFile);
  const backingBytes = existing?.size ?? sizeBytes ?? defaultBackingBytes(await freeBytes(dirname(folder)));
  const size = `${Math.floor((backingBytes / gib) * 10) / 10} GiB`;
  return {
    config: { driver: "reflink", folder, backingFile, backingBytes, ...kept(kind) },
    reason:
      existing === undefined
        ? `reflink: ${kind.title} of up to ${size} in the sparse file '${backingFile}'`
        : `reflink: the ${kind.title.replace(/^an? /, "")} of ${size} that is in '${backingFile}' already`,
    fresh: existing === undefined,
  };
}

/** XFS is what a configuration means that says nothing. */
function kept({ name }: FileSystem): { fileSystem?: FileSystem["name"] } {
  return name === "xfs" ? {} : { fileSystem: name };
}

/** A device that is empty, or holds the storage that ember made on it before. */
async function onDevice(wish: StorageWish, device: string): Promise<StorageChoice> {
  if (wish.sizeBytes !== undefined) {
    throw new EmberError("usage", "--size cannot be used with --device, which is taken as a whole");
  }
  const folder = folderOf(wish);
  const kind = fileSystems[wish.fileSystem ?? "xfs"];
  checkCanMount(kind, true, () => {
    return new EmberError("permission-denied", "only root can use --device", {
      hint: "run 'ember init' as root, or use --storage qcow2",
    });
  });
  const name = kernelNameOf(device);
  if (name === undefined) {
    throw new EmberError("file-not-found", `there is no block device '${device}'`, {
      hint: "'lsblk' lists the devices that there are",
    });
  }
  const fresh = (await inspectDevice(device, kind)) === "free";
  const what = fresh ? kind.title : `the ${kind.title.replace(/^an? /, "")} that ember made before`;
  return {
    config: { driver: "reflink", folder, device, ...kept(kind) },
    reason: `reflink: ${what} on '${device}' (${formatSize(deviceBytes(name))})`,
    fresh,
  };
}

/** Tried, for only mounting tells whether it can be mounted. */
async function mountedFileOrQcow2(folder: string): Promise<StorageChoice> {
  try {
    const choice = await inFile(folder, {});
    const storage = createReflink(choice.config);
    try {
      await storage.init();
    } catch (error) {
      if (choice.fresh) await storage.deinit(true).catch(() => undefined); // the first error says more
      throw error;
    }
    return choice;
  } catch (error) {
    // A storage that is there already has somebody's disks: never pass it over for an empty one.
    if (fileBeside(folder) !== undefined) throw error;
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
