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

const gib = 1024 ** 3;

/**
 * 80 % of what the host has free, in whole GiB, at least 10 GiB. The file is sparse: it takes what is written, and
 * gives back what is deleted, so this is a ceiling and no reservation.
 */
export function defaultBackingBytes(hostFreeBytes: number): number {
  return Math.max(10, Math.floor((hostFreeBytes * 0.8) / gib)) * gib;
}
