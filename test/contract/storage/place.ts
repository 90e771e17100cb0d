import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../../src/host/run.ts";
import { lookUpTool } from "../../../src/host/tools.ts";
import type { Storage, StorageConfig } from "../../../src/storage/storage.ts";

/** A storage that a test may do anything to, not yet initialised. */
export interface StorageUnderTest extends AsyncDisposable {
  readonly storage: Storage;
  readonly config: StorageConfig;
  /** The same storage as another command would see it. */
  again(): Storage;
}

export interface StorageFactory {
  /** The driver's module and constructor, so that a process that is killed can make it too. */
  readonly driver: { readonly name: string; readonly create: (config: StorageConfig) => Storage };
  /** What must be there, as EMBER_REQUIRE names it, and why it is not; undefined when all is there. */
  missing(): { readonly requirement: string; readonly reason: string } | undefined;
  /** `folderName`: how the storage's folder is called. `small`: on a file system that is soon full. */
  make(options?: { readonly folderName?: string; readonly small?: boolean }): Promise<StorageUnderTest>;
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
export function scratchFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "ember-storage-"));
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
