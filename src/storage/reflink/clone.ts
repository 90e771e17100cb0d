import { existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { chmod, rename, rm, truncate } from "node:fs/promises";
import { dirname, join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { syncFolder } from "../../host/files.ts";
import { cannotClone, isCannotShare } from "../failure.ts";
import { checkSize } from "../layout.ts";
import { publish, syncFile } from "../publish.ts";
import { scratchName } from "../scratch.ts";
import type { CloneOptions } from "../storage.ts";
import type { ReflinkMeans } from "./means.ts";

/**
 * Whether files in `folder` can share blocks: tried with one block, never guessed from the file system's name.
 * Leaves nothing behind. Throws system errors when the folder cannot be written.
 */
export async function canClone(means: Pick<ReflinkMeans, "share">, folder: string): Promise<boolean> {
  const source = join(folder, scratchName("new", ""));
  const clone = join(folder, scratchName("new", ""));
  try {
    writeFileSync(source, Buffer.alloc(65_536, 1), { flag: "wx", mode: 0o600 });
    await means.share(source, clone);
    return true;
  } catch (error) {
    if (cannotShare(error)) return false;
    throw error;
  } finally {
    rmSync(source, { force: true });
    rmSync(clone, { force: true });
  }
}

function cannotShare(error: unknown): boolean {
  return isCannotShare(error) || (error instanceof EmberError && error.code === "storage-cannot-clone");
}

async function shareOrCopy(
  means: ReflinkMeans,
  source: string,
  target: string,
  fullCopy: boolean,
  folder: string,
): Promise<void> {
  try {
    await means.share(source, target);
  } catch (error) {
    if (!cannotShare(error)) throw error;
    if (!fullCopy || means.copy === undefined) throw cannotClone(folder, means.remedy, error);
    await means.copy(source, target);
  }
}

/** Where a clone is made before it gets its name, and what for. */
interface Staging {
  readonly folder: string;
  readonly id: string;
}

/**
 * `final` as a clone of `source`, of the wanted size, writable by the owner. Post-condition: it is there in full,
 * also after power loss, or nothing is under its name. Idempotent for the same size.
 * Throws `vm-exists`, `invalid-size`, `storage-cannot-clone`, `disk-full`, or system errors (ENOENT: no source).
 */
export async function cloneFile(
  means: ReflinkMeans,
  source: string,
  final: string,
  staging: Staging,
  options: CloneOptions,
): Promise<void> {
  checkSize(options.sizeBytes, statSync(source).size);
  if (existsSync(final)) return checkSame(final, options.sizeBytes, staging.id);
  await staged(staging, async (scratch) => {
    await shareOrCopy(means, source, scratch, options.fullCopy === true, staging.folder);
    await chmod(scratch, 0o600); // the base's mode came along: read-only
    await truncate(scratch, options.sizeBytes);
    await syncFile(scratch);
    if (!(await publish(scratch, final))) checkSame(final, options.sizeBytes, staging.id);
  });
}

/** `final` as `source` is now, read-only. Post-condition as for `cloneFile`. Idempotent: what is there is kept. */
export async function snapshotFile(
  means: ReflinkMeans,
  source: string,
  final: string,
  staging: Staging,
): Promise<void> {
  if (existsSync(final)) return;
  await staged(staging, async (scratch) => {
    await shareOrCopy(means, source, scratch, false, staging.folder);
    await chmod(scratch, 0o400);
    await syncFile(scratch);
    await publish(scratch, final);
  });
}

/** Puts a clone of `source` in the place of `disk`, in one step. Post-condition: survives power loss. */
export async function restoreFile(
  means: ReflinkMeans,
  source: string,
  disk: string,
  staging: Staging,
): Promise<void> {
  await staged(staging, async (scratch) => {
    await shareOrCopy(means, source, scratch, false, staging.folder);
    await chmod(scratch, 0o600);
    await syncFile(scratch);
    await rename(scratch, disk);
    syncFolder(dirname(disk));
  });
}

async function staged(staging: Staging, make: (scratch: string) => Promise<void>): Promise<void> {
  const scratch = join(staging.folder, scratchName("new", staging.id));
  try {
    await make(scratch);
  } finally {
    await rm(scratch, { force: true });
  }
}

function checkSame(final: string, sizeBytes: number, id: string): void {
  if (statSync(final).size === sizeBytes) return;
  throw new EmberError("vm-exists", `there is a disk '${id}' of another size already`);
}
