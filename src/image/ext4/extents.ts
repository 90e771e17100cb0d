import { crc32c } from "./crc32c.ts";
import { blockBytes, bodyBytes } from "./format.ts";
import type { Extent } from "./inode.ts";

const rootEntries = 4;
/** Entries of 12 bytes behind a header of 12; the last 4 bytes are the checksum. */
const blockEntries = 340;
const maxExtentBlocks = 32768;

export interface ExtentTree {
  /** The 60 bytes in the inode. */
  readonly root: Buffer;
  /** How many blocks the tree takes up outside of the inode. */
  readonly blocks: number;
}

/** Takes a block of the tree; returns where on the disk it stands. */
export type PlaceBlock = (content: Buffer) => Promise<number>;

/** Whether `inlineExtents` has room for them. */
export function areInline(extents: readonly Extent[]): boolean {
  let pointers = 0;
  for (const { length } of extents) pointers += Math.ceil(length / maxExtentBlocks);
  return pointers <= rootEntries;
}

/** Writes the 60 bytes in the inode, where `areInline`, into `root`, which must be zero. */
export function inlineExtents(extents: readonly Extent[], root: Buffer): void {
  encode(root, splitLong(extents), rootEntries, 0);
}

/** One entry of any level: the first block of the file that it is about, and where that, or the next level, stands. */
interface Pointer {
  readonly logical: number;
  readonly physical: number;
  /** In blocks; 0 for a pointer to the next level. */
  readonly length: number;
}

/**
 * Builds an inode's extent tree from the leaves up. `seed` is the inode's checksum seed. Extents must be in the order
 * of the file.
 */
export async function buildExtentTree(
  extents: readonly Extent[],
  seed: number,
  place: PlaceBlock,
): Promise<ExtentTree> {
  let level: readonly Pointer[] = splitLong(extents);
  let depth = 0;
  let blocks = 0;
  while (level.length > rootEntries) {
    const above: Pointer[] = [];
    for (let at = 0; at < level.length; at += blockEntries) {
      const part = level.slice(at, at + blockEntries);
      const block = Buffer.alloc(blockBytes);
      encode(block, part, blockEntries, depth);
      block.writeUInt32LE(crc32c(seed, block, 0, blockBytes - 4), blockBytes - 4);
      above.push({ logical: part[0]?.logical ?? 0, physical: await place(block), length: 0 });
      blocks++;
    }
    level = above;
    depth++;
  }
  const root = Buffer.alloc(bodyBytes);
  encode(root, level, rootEntries, depth);
  return { root, blocks };
}

function splitLong(extents: readonly Extent[]): readonly Pointer[] {
  if (extents.every(({ length }) => length <= maxExtentBlocks)) return extents; // nearly always
  const result: Pointer[] = [];
  for (const extent of extents) {
    for (let done = 0; done < extent.length; done += maxExtentBlocks) {
      result.push({
        logical: extent.logical + done,
        physical: extent.physical + done,
        length: Math.min(maxExtentBlocks, extent.length - done),
      });
    }
  }
  return result;
}

function encode(target: Buffer, entries: readonly Pointer[], capacity: number, depth: number): void {
  target.writeUInt16LE(0xf30a, 0);
  target.writeUInt16LE(entries.length, 2);
  target.writeUInt16LE(capacity, 4);
  target.writeUInt16LE(depth, 6);
  let at = 12;
  for (const { logical, physical, length } of entries) {
    const high = Math.floor(physical / 2 ** 32);
    const low = physical % 2 ** 32;
    target.writeUInt32LE(logical, at);
    if (depth === 0) {
      target.writeUInt16LE(length, at + 4);
      target.writeUInt16LE(high, at + 6);
      target.writeUInt32LE(low, at + 8);
    } else {
      target.writeUInt32LE(low, at + 4);
      target.writeUInt16LE(high, at + 8);
    }
    at += 12;
  }
}
