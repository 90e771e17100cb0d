import { statfs } from "node:fs/promises";
import type { StorageUsage } from "./storage.ts";

/**
 * Space of the file system that holds `folder`. With `lowerFolder`, where the sparse file below that file system
 * lies, no more is free than is free there.
 */
export async function fileSystemUsage(folder: string, lowerFolder?: string): Promise<StorageUsage> {
  const facts = await statfs(folder);
  const capacityBytes = facts.blocks * facts.bsize;
  const upperFreeBytes = facts.bavail * facts.bsize;
  const lowerFreeBytes = lowerFolder === undefined ? upperFreeBytes : await freeBytes(lowerFolder);
  return {
    capacityBytes,
    usedBytes: capacityBytes - facts.bfree * facts.bsize,
    reservedBytes: null,
    freeBytes: Math.min(upperFreeBytes, lowerFreeBytes),
  };
}

/** Bytes that this user may still write to the file system that holds `folder`. */
export async function freeBytes(folder: string): Promise<number> {
  const facts = await statfs(folder);
  return facts.bavail * facts.bsize;
}
