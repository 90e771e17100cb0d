import { rmdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { errnoCode } from "../errors/ember-error.ts";
import { ensurePrivateFolder } from "../host/files.ts";

/** The folder of the folders in which images are fetched, one for each: named by the image's id, in the state folder. */
export function workplacesOf(stateDir: string): string {
  return join(stateDir, "fetch");
}

/** A private, empty folder for fetching that image. */
export async function makeWorkplace(stateDir: string, imageId: string): Promise<string> {
  await removeWorkplace(stateDir, imageId);
  ensurePrivateFolder(workplacesOf(stateDir));
  const folder = join(workplacesOf(stateDir), imageId);
  ensurePrivateFolder(folder);
  return folder;
}

/** Post-condition: the folder is gone, and with the last one the folder that held it. Idempotent. */
export async function removeWorkplace(stateDir: string, imageId: string): Promise<void> {
  // A tool that was killed a moment ago may still be letting go of its files.
  await rm(join(workplacesOf(stateDir), imageId), { recursive: true, force: true, maxRetries: 5 });
  try {
    rmdirSync(workplacesOf(stateDir));
  } catch (error) {
    if (!["ENOENT", "ENOTEMPTY", "EEXIST"].includes(errnoCode(error) ?? "")) throw error;
  }
}
