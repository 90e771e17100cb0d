import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statfsSync,
  truncateSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { EmberError, errnoCode } from "../../errors/ember-error.ts";
import { ensurePrivateFolder } from "../../host/files.ts";
import { run } from "../../host/run.ts";
import { findTool } from "../../host/tools.ts";
import { lowerFileSystemFull } from "../failure.ts";
import { publish, syncFile } from "../publish.ts";
import { scratchBeside, sweepBeside } from "../scratch.ts";
import type { StorageConfig } from "../storage.ts";
import { mountFile, mountState, unmountFile } from "./mount.ts";

/** A sparse file with an XFS in it, mounted at the storage's folder. Linux, and to mount it, root. */
export interface BackingFile {
  readonly hostFolder: string;
  /** Throws `disk-full` when the file system that holds the file is full: nothing new is begun then. */
  checkRoom(): void;
  /** Post-condition: the file exists and is mounted. Idempotent; a file that exists is never formatted again. */
  init(): Promise<void>;
  /** As Storage.open; below a millisecond when it is mounted. */
  open(): Promise<void>;
  deinit(purge: boolean): Promise<void>;
  /** Whether the file system that holds the file is full: writes above then fail with EIO, not ENOSPC. */
  readonly lowerFull: () => boolean;
}

export const leastBackingBytes: number = 301 * 1024 ** 2; // mkfs.xfs wants more than 300 MB
const tools = ["mkfs.xfs", "mount", "umount", "losetup", "flock"];

export function backingFileOf(config: StorageConfig): BackingFile | undefined {
  const { folder, backingFile: file } = config;
  if (file === undefined) return undefined;
  const lowerFull = (): boolean => {
    const facts = statfsSync(dirname(file));
    return facts.bavail * facts.bsize < 16 * 1024 ** 2;
  };
  return {
    hostFolder: dirname(file),
    lowerFull,
    checkRoom: () => {
      if (lowerFull()) throw lowerFileSystemFull(`make a disk in '${folder}'`);
    },
    init: () => init(file, folder, config.backingBytes ?? 0),
    open: () => open(file, folder, lowerFull),
    deinit: async (purge) => {
      if (mountState(folder, file) === "ours") requireRoot(folder);
      await unmountFile(file, folder);
      if (purge) await rm(file, { force: true });
    },
  };
}

function requireRoot(folder: string): void {
  if (process.getuid?.() === 0) return;
  throw new EmberError(
    "permission-denied",
    `the storage at '${folder}' can only be mounted and unmounted by root`,
    {
      hint: "run a command once as root ('sudo ember info' mounts it), or use --storage qcow2",
    },
  );
}

async function init(file: string, folder: string, sizeBytes: number): Promise<void> {
  requireRoot(folder);
  for (const tool of tools) findTool(tool);
  sweepBeside(file);
  if (existsSync(folder) && mountState(folder, file) === "no" && readdirSync(folder).length > 0) {
    throw new EmberError(
      "already-initialized",
      `'${folder}' holds files that the storage's mount would hide`,
      {
        hint: "move them away, or choose another place with --storage-path",
      },
    );
  }
  ensurePrivateFolder(folder);
  if (!existsSync(file)) await makeFile(file, sizeBytes);
  await mountUnless(file, folder);
}

/** Made under another name, so that a file under the final name always carries a whole file system. */
async function makeFile(file: string, sizeBytes: number): Promise<void> {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < leastBackingBytes) {
    throw new EmberError("invalid-size", `a storage file cannot have ${sizeBytes} bytes`, {
      hint: `ask for at least ${leastBackingBytes} bytes (301M)`,
    });
  }
  const scratch = scratchBeside(file);
  try {
    closeSync(openSync(scratch, "wx", 0o600));
    truncateSync(scratch, sizeBytes);
    // The log is written in full, so keep mkfs from taking one of up to 2 GiB for a large sparse file.
    await run("mkfs.xfs", ["-q", "-m", "reflink=1", "-l", "size=64m", "-L", label, "--", scratch], {
      timeoutMs: 600_000,
    });
    await syncFile(scratch);
    await publish(scratch, file);
  } finally {
    rmSync(scratch, { force: true });
  }
}

const label = "ember";

/** Throws `io-failed` unless the file carries the XFS that ember made in it: magic at byte 0, label at byte 108. */
function checkFile(file: string): void {
  const start = Buffer.alloc(120);
  let descriptor: number;
  try {
    descriptor = openSync(file, "r");
  } catch (error) {
    if (errnoCode(error) !== "ENOENT") throw error;
    throw new EmberError("io-failed", `the storage's file '${file}' is gone`, {
      hint: "put it back, or run 'ember deinit --purge' and 'ember init' to begin anew",
      cause: error,
    });
  }
  try {
    readSync(descriptor, start, 0, start.length, 0);
  } finally {
    closeSync(descriptor);
  }
  const found = start.subarray(108, 120).toString("latin1").replace(/\0+$/, "");
  if (start.subarray(0, 4).toString("latin1") === "XFSB" && found === label) return;
  throw new EmberError("io-failed", `'${file}' exists and is not a storage that ember made`, {
    hint: "move it away, or choose another place with --storage-path",
  });
}

/** Post-condition: `file` is what is mounted at `folder`. Throws `permission-denied`, `io-failed`. */
async function mountUnless(file: string, folder: string): Promise<void> {
  const state = mountState(folder, file);
  if (state === "ours") return;
  checkFile(file);
  if (state === "other") {
    throw new EmberError("io-failed", `another file system is mounted at '${folder}'`, {
      hint: `unmount it ('umount ${folder}'), then try again`,
    });
  }
  requireRoot(folder);
  ensurePrivateFolder(folder);
  await mountFile(file, folder);
}

async function open(file: string, folder: string, lowerFull: () => boolean): Promise<void> {
  await mountUnless(file, folder);
  try {
    readdirSync(folder);
  } catch (error) {
    // XFS shuts itself down when the file below could not grow; only mounting again brings it back.
    if (errnoCode(error) !== "EIO" || process.getuid?.() !== 0) throw error;
    if (lowerFull()) throw lowerFileSystemFull(`open the storage at '${folder}'`, error);
    await unmountFile(file, folder);
    await mountFile(file, folder);
  }
}
