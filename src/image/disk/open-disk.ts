import type { ReadableDisk } from "../../storage/storage.ts";
import type { BlockReader } from "./block-reader.ts";
import { openQcow2 } from "./qcow2-disk.ts";
import { openRaw } from "./raw-disk.ts";

/** The disk's bytes, whatever format it is in. The caller disposes of it before `disk`. Throws `io-failed`, `unsupported`. */
export async function openDisk(
  disk: Pick<ReadableDisk, "path" | "format" | "sizeBytes">,
): Promise<BlockReader> {
  return disk.format === "raw" ? await openRaw(disk.path, disk.sizeBytes) : await openQcow2(disk.path);
}
