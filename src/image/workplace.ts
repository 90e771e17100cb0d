import { rmdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { errnoCode } from "../errors/ember-error.ts";
import { ensurePrivateFolder } from "../host/files.ts";
import { run } from "../host/run.ts";

/** The folder of the folders in which images are fetched, one for each: named by the image's id, in the state folder. */
export function workplacesOf(stateDir: string): string {
  return join(stateDir, "fetch");
}

/** See `makeWorkplace`; it need not be there. */
export function workplaceOf(stateDir: string, imageId: string): string {
  return join(workplacesOf(stateDir), imageId);
}

/** A private, empty folder for fetching that image. */
export async function makeWorkplace(stateDir: string, imageId: string): Promise<string> {
  await removeWorkplace(stateDir, imageId);
  ensurePrivateFolder(workplacesOf(stateDir));
  const folder = workplaceOf(stateDir, imageId);
  ensurePrivateFolder(folder);
  return folder;
}

/** Post-condition: the folder is gone, and with the last one the folder that held it. Idempotent. */
export async function removeWorkplace(stateDir: string, imageId: string): Promise<void> {
  await removeTree(workplaceOf(stateDir, imageId));
  try {
    rmdirSync(workplacesOf(stateDir));
  } catch (error) {
    if (!["ENOENT", "ENOTEMPTY", "EEXIST"].includes(errnoCode(error) ?? "")) throw error;
  }
}

/** Post-condition: nothing is left at `path`. Idempotent. */
export async function removeTree(path: string): Promise<void> {
  try {
    // A tool that was killed a moment ago may still be letting go of its files.
    await rm(path, { recursive: true, force: true, maxRetries: 5 });
  } catch (error) {
    if (!["EACCES", "EPERM"].includes(errnoCode(error) ?? "") || process.getuid?.() === 0) throw error;
    // A bootstrap without root gives files to users of this user's range: only their own root can remove those.
    await run("unshare", ["--map-root-user", "--map-auto", "--", "rm", "-rf", "--", path]);
  }
}
