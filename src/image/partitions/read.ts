import type { BlockReader } from "../disk/block-reader.ts";
import { readGpt } from "./gpt.ts";
import { mbrPartitions, protectiveType, readMbr } from "./mbr.ts";
import type { Partition } from "./partition.ts";

/**
 * A disk's partitions; undefined when it has no table: then it may be one file system as a whole. Nothing in a table is
 * believed before it was checked. Throws `image-invalid` for a table that cannot be used.
 */
export async function readPartitions(disk: BlockReader): Promise<readonly Partition[] | undefined> {
  const entries = await readMbr(disk);
  const isProtected = entries?.some(({ type }) => type === protectiveType) ?? false;
  const found = await readGpt(disk, isProtected);
  if (found !== undefined) return found;
  return entries === undefined ? undefined : await mbrPartitions(disk, entries);
}
