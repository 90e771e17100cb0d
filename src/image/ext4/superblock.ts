import { crc32c } from "./crc32c.ts";
import {
  blocksPerGroup,
  descriptorBytes,
  features,
  firstFreeInode,
  inodeBytes,
  journalInode,
  writeSplit,
} from "./format.ts";
import type { Geometry } from "./layout.ts";

export const superblockBytes = 1024;
/** Where the first one stands on the disk; copies stand at the start of their group's first block. */
export const superblockOffset = 1024;

/** What a superblock says beyond the geometry. */
export interface SuperblockFacts {
  readonly uuid: Buffer;
  readonly hashSeed: Buffer;
  readonly label: string;
  readonly timestampSeconds: number;
  readonly freeBlocks: number;
  readonly freeInodes: number;
  /** Blocks that no file can ever have: tables, superblock copies, journal. */
  readonly overheadBlocks: number;
  /** The journal's inode body and size, kept here too in case its inode is lost. */
  readonly journalBody: Buffer;
  readonly journalBytes: number;
}

/** One superblock, for the copy in `group`. */
export function encodeSuperblock(geometry: Geometry, facts: SuperblockFacts, group: number): Buffer {
  const block = Buffer.alloc(superblockBytes);
  const u16 = (value: number, at: number): number => block.writeUInt16LE(value, at);
  const u32 = (value: number, at: number): number => block.writeUInt32LE(value, at);
  u32(geometry.groups * geometry.inodesPerGroup, 0);
  writeSplit(block, geometry.blocks, 4, 336);
  writeSplit(block, facts.freeBlocks, 12, 344);
  u32(facts.freeInodes, 16);
  u32(2, 24); // blocks, and the clusters that are no larger, of 1024 << 2 bytes
  u32(2, 28);
  u32(blocksPerGroup, 32);
  u32(blocksPerGroup, 36);
  u32(geometry.inodesPerGroup, 40);
  u32(facts.timestampSeconds, 48); // last written
  u16(0xffff, 54); // no check after so many mounts
  u16(0xef53, 56);
  u16(1, 58); // clean
  u16(1, 60); // go on after errors
  u32(facts.timestampSeconds, 64); // last checked
  u32(1, 76); // revision
  u32(firstFreeInode - 1, 84); // the first inode that is not reserved; lost+found takes it
  u16(inodeBytes, 88);
  u16(group, 90);
  u32(features.compatible, 92);
  u32(features.incompatible, 96);
  u32(features.readOnlyCompatible, 100);
  facts.uuid.copy(block, 104);
  block.write(facts.label, 120, 16, "utf8");
  u16(geometry.reservedDescriptorBlocks, 206);
  u32(journalInode, 224);
  facts.hashSeed.copy(block, 236);
  block.writeUInt8(1, 252); // half MD4
  block.writeUInt8(1, 253); // the journal's place below is kept as in an inode
  u16(descriptorBytes, 254);
  u32(0x4 | 0x8, 256); // user_xattr, acl
  u32(facts.timestampSeconds, 264); // made
  facts.journalBody.copy(block, 268);
  writeSplit(block, facts.journalBytes, 332, 328);
  u16(32, 348); // how much every inode has, and should have, beyond 128 bytes
  u16(32, 350);
  u32(2, 352); // directory hashes take bytes as unsigned
  block.writeUInt8(4, 372); // 2 ** 4 groups per flex group
  block.writeUInt8(1, 373); // checksums are crc32c
  u32(facts.overheadBlocks, 584);
  u32(crc32c(0xffffffff, block, 0, 1020), 1020);
  return block;
}
