import { readdirSync } from "node:fs";
import { copyFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { errnoCode } from "../../errors/ember-error.ts";
import { ensurePrivateFolder, syncFolder } from "../../host/files.ts";
import { scratchBeside, sweepBeside } from "../../storage/scratch.ts";

/**
 * Root file systems that were made before, so that another installation, or another try, need not make them again. A file's
 * name says what it is made from and what its content is: `GROUP-FINGERPRINT-DIGEST.tar`, both in hex digits.
 */
export interface CachedArchive {
  readonly path: string;
  /** "sha256:..."; whoever reads the file compares. */
  readonly digest: string;
}

export interface CacheKey {
  /** Of several archives of one group only the last is kept. */
  readonly group: string;
  readonly fingerprint: string;
}

const form = /^(.+)-([0-9a-f]{64})-([0-9a-f]{64})\.tar$/;

export function findArchive(folder: string, key: CacheKey): CachedArchive | undefined {
  for (const name of namesIn(folder)) {
    const [, group, fingerprint, digest] = form.exec(name) ?? [];
    if (group === key.group && fingerprint === key.fingerprint) {
      return { path: join(folder, name), digest: `sha256:${digest}` };
    }
  }
  return undefined;
}

/** Takes an archive over, whole or not at all, and lets go of the group's older ones. */
export async function keepArchive(
  folder: string,
  key: CacheKey,
  path: string,
  digest: string,
): Promise<CachedArchive> {
  ensurePrivateFolder(folder);
  const name = `${key.group}-${key.fingerprint}-${digest.replace("sha256:", "")}.tar`;
  await move(path, join(folder, name));
  syncFolder(folder);
  for (const other of namesIn(folder)) {
    if (other !== name && form.exec(other)?.[1] === key.group) await rm(join(folder, other), { force: true });
  }
  return { path: join(folder, name), digest };
}

/** The cache may lie on another file system, where only a copy leads. */
async function move(from: string, to: string): Promise<void> {
  sweepBeside(to);
  const scratch = scratchBeside(to);
  try {
    await rename(from, to);
  } catch (error) {
    if (errnoCode(error) !== "EXDEV") throw error;
    try {
      await copyFile(from, scratch);
      await rename(scratch, to);
    } finally {
      await rm(scratch, { force: true });
    }
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return []; // nothing was kept yet
  }
}
