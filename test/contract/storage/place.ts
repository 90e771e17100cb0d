import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errnoCode } from "../../../src/errors/ember-error.ts";
import { run } from "../../../src/host/run.ts";
import { lookUpTool } from "../../../src/host/tools.ts";
import type { Storage, StorageConfig, StorageContext } from "../../../src/storage/storage.ts";
import { contextIn } from "./numbers.ts";

/** A storage that a test may do anything to, not yet initialised. */
export interface StorageUnderTest extends AsyncDisposable {
  readonly storage: Storage;
  readonly config: StorageConfig;
  /** The same storage as another command would see it. */
  again(): Storage;
  /** Where the numbers of its disks are kept (numbers.ts). */
  readonly numbersFolder: string;
  /** What the driver told the user so far. */
  readonly notices: readonly string[];
  /** Uses up all room with something that is no disk; the result gives it back. */
  fill(): Promise<() => Promise<void>>;
  /** Names of what is neither a disk nor on its way to be one. */
  leftovers(): Promise<readonly string[]>;
}

/** What differs from driver to driver where the interface leaves it open. */
export interface StorageFacts {
  /** Each disk is a file in the storage's folder, for the owner alone. */
  readonly diskFiles: boolean;
  /** The folder is a mount point, all that is in it ember's. */
  readonly mountsFolder: boolean;
  /** Others write to the file system that `usage` tells of. Default false. */
  readonly sharesFileSystem?: boolean;
  /** Clones and snapshots soon fill what `make({ small: true })` gives. Not where they take room that is kept for
   *  metadata alone, of which there is enough for thousands. */
  readonly clonesFill: boolean;
  /** By how much what `diskUsage` and `usage` say of one disk may differ from what was written to it. */
  readonly slackBytes: number;
  /** Of what a clone overwrites, its source is left with this alone: all of it, the extents that were overwritten as
   *  a whole, or nothing. */
  readonly freesOverwritten: "bytes" | "extents" | "nothing";
  /** What `diskUsage` cannot know here: "KIND.FIELD" as in "image.exclusiveBytes". It says null then. */
  readonly unknown: readonly `${"image" | "vm" | "snapshot"}.${"referencedBytes" | "exclusiveBytes" | "logicalBytes" | "freesBytes"}`[];
}

export interface StorageFactory {
  /** The driver's name as `storageDrivers` has it, so that a process that is killed can make it too. */
  readonly driver: {
    readonly name: string;
    readonly create: (config: StorageConfig, context: StorageContext) => Storage;
  };
  readonly facts: StorageFacts;
  /** What must be there, as EMBER_REQUIRE names it, and why it is not; undefined when all is there. */
  missing(): { readonly requirement: string; readonly reason: string } | undefined;
  /** `folderName`: how the storage's folder is called. `small`: on a file system that is soon full. */
  make(options?: { readonly folderName?: string; readonly small?: boolean }): Promise<StorageUnderTest>;
}

/**
 * A storage with numbers of its own. `release` unmounts, and removes what is outside the storage; `parts` are for a
 * storage whose disks are no files.
 */
export function underTest(
  driver: StorageFactory["driver"],
  config: StorageConfig,
  release: () => Promise<void>,
  parts: Partial<Pick<StorageUnderTest, "fill" | "leftovers">> = {},
): StorageUnderTest {
  const numbersFolder = mkdtempSync(join(tmpdir(), "ember-numbers-"));
  const notices: string[] = [];
  const context = contextIn(numbersFolder, notices);
  return {
    storage: driver.create(config, context),
    config,
    again: () => driver.create(config, context),
    numbersFolder,
    notices,
    fill: () => fillFolder(config.folder),
    leftovers: async () => (existsSync(config.folder) ? fileLeftovers(config.folder) : []),
    ...parts,
    [Symbol.asyncDispose]: async () => {
      context[Symbol.dispose]();
      rmSync(numbersFolder, { recursive: true, force: true });
      await release();
    },
  };
}

/** Scratch files, and layers while there is no VM that could need them. */
function fileLeftovers(folder: string): string[] {
  const names = (name: string): string[] => {
    const inner = join(folder, name);
    return existsSync(inner) ? readdirSync(inner).map((entry) => `${name}/${entry}`) : [];
  };
  return [...names("staging"), ...(names("vms").length === 0 ? names("layers") : [])];
}

/** Writes until nothing fits any more, in large pieces and then in small ones; the result gives the room back. */
export async function fillFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, "filler");
  const file = openSync(path, "w");
  try {
    for (const chunk of [Buffer.alloc(mib, 0x5a), Buffer.alloc(4096, 0x5a)]) writeUntilFull(file, chunk);
  } finally {
    closeSync(file);
  }
  return async () => rmSync(path);
}

function writeUntilFull(file: number, chunk: Buffer): void {
  try {
    while (writeSync(file, chunk) > 0) {
      if (chunk.length < mib) fsyncSync(file); // delayed allocation would take more than there is
    }
  } catch (error) {
    if (errnoCode(error) !== "ENOSPC") throw error;
  }
}

/** Why a suite is skipped, printed as well. Throws instead when EMBER_REQUIRE says that it must run here. */
export function skipReason(suite: string, factory: Pick<StorageFactory, "missing">): string | undefined {
  const missing = factory.missing();
  if (missing === undefined) return undefined;
  const required = (process.env["EMBER_REQUIRE"] ?? "").split(",");
  if (required.includes(missing.requirement)) {
    throw new Error(`EMBER_REQUIRE names '${missing.requirement}', but ${missing.reason}`);
  }
  console.warn(`skipped: ${suite}: ${missing.reason}`);
  return missing.reason;
}

/** Why file systems in files cannot be mounted here. */
export function missingForMounts(
  requirement: string,
  tools: readonly string[],
): ReturnType<StorageFactory["missing"]> {
  if (process.getuid?.() !== 0) return { requirement, reason: "only root can mount file systems" };
  const absent = [...tools, "mount", "umount", "losetup"].filter((tool) => lookUpTool(tool) === undefined);
  return absent.length === 0 ? undefined : { requirement, reason: `not installed: ${absent.join(", ")}` };
}

/** A folder that is gone after the test. */
export function scratchFolder(parent: string = tmpdir()): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(parent, "ember-storage-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Makes a file system in a sparse file and mounts it; unmounted and gone after the test. */
export async function loopMount(
  mkfs: readonly string[],
  sizeBytes: number,
): Promise<AsyncDisposable & { readonly path: string }> {
  const folder = mkdtempSync(join(tmpdir(), "ember-loop-"));
  const file = join(folder, "file");
  const path = join(folder, "mount");
  const release = async (): Promise<void> => {
    await unmountAll(path);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    writeFileSync(file, "");
    truncateSync(file, sizeBytes);
    mkdirSync(path);
    const [tool = "", ...args] = mkfs;
    await run(tool, [...args, file]);
    await run("mount", ["-o", "loop", file, path]);
  } catch (error) {
    await release();
    throw error;
  }
  return { path, [Symbol.asyncDispose]: release };
}

/** Unmounts whatever is mounted at `path`, several times over when it must be. */
export async function unmountAll(path: string): Promise<void> {
  for (let attempts = 0; attempts < 50; attempts += 1) {
    if ((await mountsAt(path)) === 0) return;
    const { status } = await run("umount", ["--", path], { okStatuses: [0, 1, 32] });
    if (status !== 0) await Bun.sleep(100); // something lets go of it in a moment
  }
  throw new Error(`'${path}' is still mounted`);
}

/** How many file systems are mounted at `path`, one over the other. */
export async function mountsAt(path: string): Promise<number> {
  const { stdout } = await run("findmnt", ["-rn", "-o", "ID", "--mountpoint", path], { okStatuses: [0, 1] });
  return stdout.split("\n").filter((line) => line !== "").length;
}

export const mib: number = 1024 ** 2;
export const gib: number = 1024 ** 3;
