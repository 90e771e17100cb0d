import type { BlockReader } from "../disk/block-reader.ts";
import { digestOf } from "../oci/blobs.ts";
import type { DiskChunk, DiskConfig } from "./format.ts";

/** Undefined when the disk has other bytes there. */
export async function readLocal(
  reader: BlockReader,
  { at, digest }: DiskChunk,
  config: DiskConfig,
): Promise<Buffer | undefined> {
  const [offset, length] = [at * config.chunkBytes, lengthOf(at, config)];
  if (offset + length > reader.sizeBytes) return undefined;
  const bytes = await reader.read(offset, length);
  return digestOf(bytes) === digest ? bytes : undefined;
}

export function lengthOf(at: number, { chunkBytes, diskBytes }: DiskConfig): number {
  return Math.min(chunkBytes, diskBytes - at * chunkBytes);
}
