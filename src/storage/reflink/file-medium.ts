import { closeSync, existsSync, openSync, rmSync, statSync, truncateSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EmberError, errnoCode } from "../../errors/ember-error.ts";
import { detachLoops, growLoops, isLoopOf, loopsOf } from "../../host/losetup.ts";
import { run } from "../../host/run.ts";
import { formatSize } from "../../host/sizes.ts";
import { publish, syncFile } from "../publish.ts";
import { scratchBeside, sweepBeside } from "../scratch.ts";
import type { StorageContext } from "../storage.ts";
import { freeBytes } from "../usage.ts";
import { type FileSystem, findOwn, makeFileSystem } from "./file-systems.ts";
import type { Medium } from "./medium.ts";

/** A sparse file, mounted through a loop device. `sizeBytes` is what it is made with; later on the file knows. */
export function fileMedium(file: string, sizeBytes: number, notice: StorageContext["notice"]): Medium {
  return {
    path: file,
    isDevice: false,
    hostFolder: dirname(file),
    isBelow: (device) => isLoopOf(device, file),
    make: async (kind) => {
      sweepBeside(file);
      if (!existsSync(file)) await makeFile(file, kind, sizeBytes);
    },
    check: (kind) => check(file, kind),
    grow: (kind, wantedBytes) => grow(file, kind, wantedBytes, notice),
    settle: async () => {
      // Without the page cache below, every block is held in memory once. Not every file system below can do it.
      for (const device of loopsOf(file)) {
        await run("losetup", ["--direct-io=on", device], { okStatuses: [0, 1] });
      }
    },
    release: async () => {
      // The kernel lets go of them a little after the unmount.
      for (let attempts = 0; attempts < 10 && loopsOf(file).length > 0; attempts += 1) await sleep(100);
      await detachLoops(file);
    },
    purge: () => rm(file, { force: true }),
  };
}

/** Made under another name, so that a file under the final name always carries a whole file system. */
async function makeFile(file: string, kind: FileSystem, sizeBytes: number): Promise<void> {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < kind.leastBytes) {
    throw new EmberError("invalid-size", `a storage file cannot have ${sizeBytes} bytes`, {
      hint: `ask for at least ${kind.leastBytes} bytes (${kind.leastText})`,
    });
  }
  const scratch = scratchBeside(file);
  try {
    closeSync(openSync(scratch, "wx", 0o600));
    truncateSync(scratch, sizeBytes);
    await makeFileSystem(kind, scratch);
    await syncFile(scratch);
    await publish(scratch, file);
  } finally {
    rmSync(scratch, { force: true });
  }
}

function check(file: string, kind: FileSystem): void {
  try {
    if (findOwn(file, kind) === "ours") return;
  } catch (error) {
    if (errnoCode(error) !== "ENOENT") throw error;
    throw new EmberError("io-failed", `the storage's file '${file}' is gone`, {
      hint: "put it back, or run 'ember deinit --purge' and 'ember init' to begin anew",
      cause: error,
    });
  }
  throw new EmberError("io-failed", `'${file}' exists and is not a storage that ember made`, {
    hint: "move it away, or choose another place with --storage-path",
  });
}

async function grow(
  file: string,
  kind: FileSystem,
  sizeBytes: number | undefined,
  notice: StorageContext["notice"],
): Promise<void> {
  if (sizeBytes === undefined) {
    throw new EmberError("usage", `how large is the storage in '${file}' to be?`, {
      hint: "say so with --size",
    });
  }
  const current = statSync(file).size;
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0 || sizeBytes % 512 !== 0) {
    throw new EmberError("invalid-size", `a storage cannot have ${sizeBytes} bytes`, {
      hint: "a size is a positive multiple of 512 bytes",
    });
  }
  if (sizeBytes < current) {
    throw new EmberError(
      "unsupported",
      `the storage of ${formatSize(current)} cannot be made smaller: ${kind.title} is never shrunk under its disks`,
      { hint: "its file is sparse and takes only what is written: 'ember storage trim' gives back the rest" },
    );
  }
  const room = (await freeBytes(dirname(file))) + statSync(file).blocks * 512;
  if (sizeBytes > room) {
    notice(
      `'${file}' may take up to ${formatSize(sizeBytes)}, but the file system that holds it has room for ` +
        `${formatSize(room)}: when that is full, the VMs' disks fail`,
    );
  }
  if (sizeBytes > current) {
    truncateSync(file, sizeBytes);
    await syncFile(file);
  }
  await growLoops(file);
}
