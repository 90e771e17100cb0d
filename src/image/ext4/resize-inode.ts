import { blockBytes, blocksPerGroup, bodyBytes, hasSuperblock } from "./format.ts";
import type { Geometry } from "./layout.ts";

const pointersPerBlock = blockBytes / 4;
/** The length that mke2fs gives this file, which nobody reads: as far as one doubly indirect block reaches. */
export const resizeInodeBytes: number = (pointersPerBlock ** 2 + pointersPerBlock + 12) * blockBytes;

/**
 * The blocks of the inode that keeps room for group descriptors: one doubly indirect block, whose pointers lead to
 * the reserved blocks behind the first descriptors; each of them lists its copies in the other groups.
 */
export interface ResizeBlocks {
  readonly doublyIndirect: Buffer;
  /** The reserved blocks, in order, the first of which stands at `firstReserved`. */
  readonly reserved: readonly Buffer[];
  readonly firstReserved: number;
  /** How many blocks the inode owns in all. */
  readonly blocks: number;
}

export function buildResizeBlocks(geometry: Geometry): ResizeBlocks {
  const firstReserved = 1 + geometry.descriptorBlocks;
  const copies: number[] = [];
  for (let group = 1; group < geometry.groups; group++) {
    if (hasSuperblock(group)) copies.push(group * blocksPerGroup);
  }
  const doublyIndirect = Buffer.alloc(blockBytes);
  const reserved: Buffer[] = [];
  for (let index = 0; index < geometry.reservedDescriptorBlocks; index++) {
    const position = firstReserved + index;
    doublyIndirect.writeUInt32LE(position, ((geometry.descriptorBlocks + index) % pointersPerBlock) * 4);
    const block = Buffer.alloc(blockBytes);
    for (const [at, start] of copies.entries()) block.writeUInt32LE(start + position, at * 4);
    reserved.push(block);
  }
  return {
    doublyIndirect,
    reserved,
    firstReserved,
    blocks: 1 + reserved.length * (1 + copies.length),
  };
}

/** The 60 bytes in the inode: only the pointer to the doubly indirect block. */
export function encodeResizeBody(doublyIndirectAt: number): Buffer {
  const body = Buffer.alloc(bodyBytes);
  body.writeUInt32LE(doublyIndirectAt, 13 * 4);
  return body;
}
