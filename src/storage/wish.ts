import { join } from "node:path";
import { EmberError } from "../errors/ember-error.ts";
import type { StorageWish } from "./choice.ts";
import { makeParent } from "./disk-files.ts";

type Option = Exclude<keyof StorageWish, "stateDir" | "storagePath">;

/** As the command line calls them, and what they are for. */
const optionNames: Readonly<Record<Option, string>> = {
  sizeBytes: "--size",
  device: "--device",
  fileSystem: "--fs",
  pool: "--pool",
  dataset: "--dataset",
  vdo: "--vdo",
};

/** Throws `usage` when one of the options is there. */
export function refuse(wish: StorageWish, storage: string, options: readonly Option[]): void {
  const unwanted = options.find((option) => wish[option] !== undefined);
  if (unwanted === undefined) return;
  const other =
    unwanted === "vdo" ? "dm-thin" : unwanted === "pool" || unwanted === "dataset" ? "zfs" : "reflink";
  throw new EmberError("usage", `${optionNames[unwanted]} cannot be used with --storage ${storage}`, {
    hint: `it is for --storage ${other}`,
  });
}

/** Where the disks go; its parent is there afterwards. */
export function folderOf(wish: StorageWish): string {
  const folder = wish.storagePath ?? join(wish.stateDir, "storage");
  makeParent(folder);
  return folder;
}
