import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { toEmberError } from "../errors/ember-error.ts";
import type { StorageChoice, StorageWish } from "./choice.ts";
import { statIfThere } from "./disk-files.ts";
import { fileBeside, inFile, onDevice } from "./reflink/choice.ts";
import { canClone } from "./reflink/clone.ts";
import { createReflink, linuxMeans } from "./reflink/driver.ts";
import { folderOf, refuse } from "./wish.ts";

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
  if (device !== undefined) return onDevice(folderOf(wish), device, wish);
  return (await inPlace(wish)) ?? (await inFile(folderOf(wish), wish));
}

function wishesOwn({ sizeBytes, device, fileSystem }: StorageWish): boolean {
  return sizeBytes !== undefined || device !== undefined || fileSystem !== undefined;
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

async function sharesBlocks(folder: string): Promise<boolean> {
  return canClone(linuxMeans, statIfThere(folder) === undefined ? dirname(folder) : folder).catch(
    (error: unknown) => {
      throw toEmberError(error);
    },
  );
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
