import { readdirSync } from "node:fs";
import { EmberError } from "../errors/ember-error.ts";
import type { Installation } from "../installation.ts";
import { findImageById, listImages } from "../state/images.ts";
import { stringMap } from "../state/row.ts";
import { vmsOfImage } from "../state/vms.ts";
import { removeUnused } from "./make.ts";
import { isRetired, leaseOf } from "./names.ts";
import { removeWorkplace, workplacesOf } from "./workplace.ts";

/**
 * Removes what belongs to no image and to no command that is making one: disks, folders of fetched files, and images
 * that were replaced and that no VM needs any more. Idempotent. Returns what it removed, in words.
 */
export async function sweepImages(installation: Installation): Promise<string[]> {
  const { db, paths } = installation;
  const removed: string[] = [];
  const storage = await installation.storage();
  // In this order: whoever makes an image is in the journal before it has files, and in the table before it leaves that.
  const folders = namesIn(workplacesOf(paths.stateDir));
  const { imageIds } = await storage.list();
  const inTheMaking = idsInJournal(installation);
  for (const id of folders.filter((name) => !inTheMaking.has(name))) {
    await removeWorkplace(paths.stateDir, id);
    removed.push(`fetched files of image ${id}`);
  }
  for (const imageId of imageIds) {
    if (inTheMaking.has(imageId) || findImageById(db, imageId) !== undefined) continue;
    await storage.removeImage({ imageId });
    removed.push(`disk of image ${imageId}`);
  }
  return [...removed, ...(await removeRetired(installation))];
}

async function removeRetired(installation: Installation): Promise<string[]> {
  const removed: string[] = [];
  for (const { id, name } of listImages(installation.db)) {
    if (!isRetired(name) || vmsOfImage(installation.db, id).length > 0) continue;
    if (await removeUnlessHeld(installation, id, name)) removed.push(`replaced image ${name}`);
  }
  return removed;
}

/** Returns whether it was removed; what another command holds is left to it. */
async function removeUnlessHeld(installation: Installation, id: string, name: string): Promise<boolean> {
  const remove = (): Promise<boolean> => removeUnused(installation, id);
  try {
    return await installation.holding([leaseOf(name)], "ember reconcile", remove, { timeoutMs: 0 });
  } catch (error) {
    if (error instanceof EmberError && error.code === "busy") return false;
    throw error;
  }
}

/** Images that an operation is about, also one that could not be undone yet. */
export function idsInJournal({ db }: Installation): ReadonlySet<string> {
  const rows = db.all("SELECT data FROM operations");
  return new Set(rows.flatMap((row) => Object.values(stringMap(row, "data"))));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // nothing is being fetched
  }
}
