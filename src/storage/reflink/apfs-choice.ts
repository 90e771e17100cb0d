import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { volumeOf } from "../../host/diskutil.ts";
import type { StorageChoice, StorageWish } from "../choice.ts";
import { folderOf, refuse } from "../wish.ts";

/**
 * Clones on the APFS volume that holds the folder, case-sensitive or not. Throws `storage-cannot-clone` for any other
 * file system: nothing here copies disks in silence. Makes nothing but the folder's parent.
 */
export async function chooseApfs(wish: StorageWish): Promise<StorageChoice> {
  refuse(wish, "reflink", ["sizeBytes", "device", "fileSystem", "pool", "dataset", "vdo"]);
  const folder = folderOf(wish);
  const fresh = !existsSync(folder);
  const { fileSystem, mountPoint, name } = await volumeOf(fresh ? dirname(folder) : folder);
  const volume = name === "" ? `'${mountPoint}'` : `'${name}' at '${mountPoint}'`;
  if (fileSystem !== "apfs") {
    const what =
      fileSystem === "unknown" ? "is not an APFS volume" : `has the file system ${fileSystem}, not APFS`;
    throw new EmberError(
      "storage-cannot-clone",
      `the volume ${volume} ${what}: its files cannot share blocks`,
      {
        hint: "choose a folder on an APFS volume, as your home folder is: ember init --storage-path PATH (or --state-dir); or use QEMU: --hypervisor qemu --storage qcow2",
      },
    );
  }
  return { config: { driver: "reflink", folder }, reason: `reflink: the volume ${volume} is APFS`, fresh };
}
