import { existsSync } from "node:fs";
import type { StorageChoice, StorageWish } from "../choice.ts";
import { folderOf, refuse } from "../wish.ts";

export async function chooseQcow2(wish: StorageWish): Promise<StorageChoice> {
  refuse(wish, "qcow2", ["sizeBytes", "device", "fileSystem", "pool", "dataset", "vdo"]);
  const folder = folderOf(wish);
  return { config: { driver: "qcow2", folder }, reason: "qcow2: asked for", fresh: !existsSync(folder) };
}
