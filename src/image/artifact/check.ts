import { documentLimitBytes } from "../oci/blobs.ts";
import { invalidImage } from "../oci/invalid.ts";
import type { Manifest } from "../oci/schemas.ts";
import { chunkType, type DiskConfig, diskConfigType, largestChunkBytes } from "./format.ts";

/** Before anything is fetched, or a hole made: sizes that a registry lies about cost nothing. */
export function checkManifest({ config, layers }: Manifest): void {
  if (config.mediaType !== diskConfigType) throw invalidImage("the disk has no description");
  if (config.size > documentLimitBytes) throw invalidImage("the disk's description is too large");
  if (
    !layers.every(({ mediaType, size }) => mediaType === chunkType && size <= largestBlob(largestChunkBytes))
  ) {
    throw invalidImage("the disk has chunks that are too large, or of an unknown type");
  }
}

/** What does not compress becomes a little larger. */
export function largestBlob(chunkBytes: number): number {
  return chunkBytes + 1024 * 1024;
}

export function checkChunks({ chunks, chunkBytes, diskBytes }: DiskConfig, { layers }: Manifest): void {
  let before = -1;
  for (const { at, layer } of chunks) {
    if (at <= before || at * chunkBytes >= diskBytes || layer >= layers.length) {
      throw invalidImage("the disk's description has chunks that overlap, or lie outside the disk");
    }
    before = at;
  }
  if (layers.some(({ size }) => size > largestBlob(chunkBytes))) {
    throw invalidImage("a chunk of the disk is larger than it may be");
  }
}
