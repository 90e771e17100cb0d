import { crc32c, crc32cNumber } from "./crc32c.ts";
import { descriptorBytes, writeSplit } from "./format.ts";

export const groupFlags = { inodesUnused: 1, blocksUnused: 2, inodeTableZeroed: 4 } as const;

export interface GroupFacts {
  readonly blockBitmap: number;
  readonly inodeBitmap: number;
  readonly inodeTable: number;
  readonly freeBlocks: number;
  readonly freeInodes: number;
  readonly folders: number;
  /** Inodes at the table's end that were never used. */
  readonly unusedInodes: number;
  readonly flags: number;
  /** 0 where the flags say that there is no bitmap. */
  readonly blockBitmapChecksum: number;
  readonly inodeBitmapChecksum: number;
}

export function encodeDescriptor(group: number, facts: GroupFacts, seed: number): Buffer {
  const bytes = Buffer.alloc(descriptorBytes);
  const split16 = (value: number, lowAt: number, highAt: number): void => {
    bytes.writeUInt16LE(value & 0xffff, lowAt);
    bytes.writeUInt16LE(value >>> 16, highAt);
  };
  writeSplit(bytes, facts.blockBitmap, 0, 32);
  writeSplit(bytes, facts.inodeBitmap, 4, 36);
  writeSplit(bytes, facts.inodeTable, 8, 40);
  split16(facts.freeBlocks, 12, 44);
  split16(facts.freeInodes, 14, 46);
  split16(facts.folders, 16, 48);
  bytes.writeUInt16LE(facts.flags, 18);
  split16(facts.blockBitmapChecksum, 24, 56);
  split16(facts.inodeBitmapChecksum, 26, 58);
  split16(facts.unusedInodes, 28, 50);
  bytes.writeUInt16LE(crc32c(crc32cNumber(seed, group), bytes) & 0xffff, 30);
  return bytes;
}
