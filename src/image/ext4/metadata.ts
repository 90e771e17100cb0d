import { crc32c } from "./crc32c.ts";
import { blockBytes, blocksPerGroup, hasSuperblock, inodeBytes, inodesPerBlock } from "./format.ts";
import { encodeDescriptor, groupFlags } from "./group-descriptor.ts";
import { encodeInode, type InodeRecord } from "./inode-record.ts";
import type { Geometry, GroupTables } from "./layout.ts";
import { encodeSuperblock, type SuperblockFacts, superblockOffset } from "./superblock.ts";
import type { SealedVolume } from "./volume.ts";

/** Writes inodes, which must come in the order of their numbers, into the groups' tables. */
export class InodeTableWriter {
  readonly #volume: SealedVolume;
  readonly #geometry: Geometry;
  readonly #tables: GroupTables;
  #block: Buffer = Buffer.alloc(blockBytes);
  #position = -1;

  constructor(volume: SealedVolume, geometry: Geometry, tables: GroupTables) {
    this.#volume = volume;
    this.#geometry = geometry;
    this.#tables = tables;
  }

  /** A promise comes back only when there is something to wait for; the record may be reused when it is fulfilled. */
  add(record: InodeRecord): Promise<void> | undefined {
    const group = Math.floor((record.number - 1) / this.#geometry.inodesPerGroup);
    const index = (record.number - 1) % this.#geometry.inodesPerGroup;
    const position = (this.#tables.inodeTables[group] ?? 0) + Math.floor(index / inodesPerBlock);
    const waiting = position === this.#position ? undefined : this.flush();
    this.#position = position;
    if (waiting !== undefined) return waiting.then(() => this.#put(record, index));
    this.#put(record, index);
    return undefined;
  }

  #put(record: InodeRecord, index: number): void {
    encodeInode(this.#block, (index % inodesPerBlock) * inodeBytes, record, this.#volume.seed);
  }

  /** As `add`. */
  flush(): Promise<void> | undefined {
    if (this.#position < 0) return undefined;
    const waiting = this.#volume.disk.write(this.#position * blockBytes, this.#block, true);
    if (waiting !== undefined) return waiting.then(() => void this.#block.fill(0));
    this.#block.fill(0);
    return undefined;
  }
}

export interface Usage {
  readonly freeBlocks: number;
  readonly freeInodes: number;
  /** The group descriptors, one behind the other, in whole blocks. */
  readonly descriptors: Buffer;
}

/** Writes the bitmaps of all groups. `folderCounts` says how many folders' inodes each group has. */
export async function writeBitmaps(
  volume: SealedVolume,
  geometry: Geometry,
  tables: GroupTables,
  inodes: { readonly last: number; readonly folderCounts: readonly number[] },
): Promise<Usage> {
  const descriptors = Buffer.alloc(geometry.descriptorBlocks * blockBytes);
  const blockMaps = new BlockMaps(volume, geometry);
  let freeBlocks = 0;
  let freeInodes = 0;
  for (let group = 0; group < geometry.groups; group++) {
    const blockMap = blockMaps.next(group);
    const used = Math.min(
      Math.max(inodes.last - group * geometry.inodesPerGroup, 0),
      geometry.inodesPerGroup,
    );
    const inodeMap = used === 0 ? undefined : inodeBitmap(used, geometry.inodesPerGroup);
    const facts = {
      blockBitmap: tables.blockBitmaps[group] ?? 0,
      inodeBitmap: tables.inodeBitmaps[group] ?? 0,
      inodeTable: tables.inodeTables[group] ?? 0,
      freeBlocks: blockMap.free,
      freeInodes: geometry.inodesPerGroup - used,
      folders: inodes.folderCounts[group] ?? 0,
      unusedInodes: geometry.inodesPerGroup - used,
      flags:
        groupFlags.inodeTableZeroed |
        (inodeMap === undefined ? groupFlags.inodesUnused : 0) |
        (blockMap.bitmap === undefined ? groupFlags.blocksUnused : 0),
      blockBitmapChecksum: blockMap.bitmap === undefined ? 0 : crc32c(volume.seed, blockMap.bitmap),
      inodeBitmapChecksum:
        inodeMap === undefined ? 0 : crc32c(volume.seed, inodeMap, 0, geometry.inodesPerGroup / 8),
    };
    if (blockMap.bitmap !== undefined) {
      await volume.disk.write(facts.blockBitmap * blockBytes, blockMap.bitmap, true);
    }
    if (inodeMap !== undefined) await volume.disk.write(facts.inodeBitmap * blockBytes, inodeMap, true);
    encodeDescriptor(group, facts, volume.seed).copy(descriptors, group * 64);
    freeBlocks += facts.freeBlocks;
    freeInodes += facts.freeInodes;
  }
  return { freeBlocks, freeInodes, descriptors };
}

/** All inodes up to `used` are taken; what is no inode counts as taken too. */
function inodeBitmap(used: number, inodesPerGroup: number): Buffer {
  const bitmap = Buffer.alloc(blockBytes);
  setBits(bitmap, 0, used);
  setBits(bitmap, inodesPerGroup, blockBytes * 8);
  return bitmap;
}

/** Makes the groups' block bitmaps, one after the other. */
class BlockMaps {
  readonly #geometry: Geometry;
  readonly #end: number;
  readonly #free: readonly { readonly start: number; readonly length: number }[];
  #index = 0;

  constructor(volume: SealedVolume, geometry: Geometry) {
    this.#geometry = geometry;
    this.#end = volume.allocator.end;
    this.#free = volume.allocator.freeRuns();
  }

  /** The bitmap of the next group, undefined where it follows from the superblock alone; and how much is free. */
  next(group: number): { bitmap: Buffer | undefined; free: number } {
    const first = group * blocksPerGroup;
    const length = Math.min(blocksPerGroup, this.#geometry.blocks - first);
    const kept = hasSuperblock(group)
      ? 1 + this.#geometry.descriptorBlocks + this.#geometry.reservedDescriptorBlocks
      : 0;
    const isLast = group === this.#geometry.groups - 1;
    if (first >= this.#end && !isLast) return { bitmap: undefined, free: length - kept };
    const bitmap = Buffer.alloc(blockBytes);
    const used = Math.min(Math.max(this.#end - first, kept), length);
    setBits(bitmap, 0, used);
    setBits(bitmap, length, blocksPerGroup);
    return { bitmap, free: length - used + this.#clearFree(bitmap, first, first + length) };
  }

  /** Clears the bits of what is free before the end of all use; returns how many. */
  #clearFree(bitmap: Buffer, first: number, end: number): number {
    let cleared = 0;
    for (; this.#index < this.#free.length; this.#index++) {
      const run = this.#free[this.#index];
      if (run === undefined || run.start >= end) break;
      const from = Math.max(run.start, first);
      const to = Math.min(run.start + run.length, end);
      clearBits(bitmap, from - first, to - first);
      cleared += to - from;
      if (run.start + run.length > end) break; // it goes on in the next group
    }
    return cleared;
  }
}

function setBits(bitmap: Buffer, from: number, to: number): void {
  for (let bit = from; bit < to; ) {
    if (bit % 8 === 0 && to - bit >= 8) {
      const bytes = Math.floor((to - bit) / 8);
      bitmap.fill(0xff, bit / 8, bit / 8 + bytes);
      bit += bytes * 8;
    } else {
      bitmap[bit >> 3] = (bitmap[bit >> 3] ?? 0) | (1 << (bit & 7));
      bit++;
    }
  }
}

function clearBits(bitmap: Buffer, from: number, to: number): void {
  for (let bit = from; bit < to; ) {
    if (bit % 8 === 0 && to - bit >= 8) {
      const bytes = Math.floor((to - bit) / 8);
      bitmap.fill(0, bit / 8, bit / 8 + bytes);
      bit += bytes * 8;
    } else {
      bitmap[bit >> 3] = (bitmap[bit >> 3] ?? 0) & ~(1 << (bit & 7));
      bit++;
    }
  }
}

/** Writes the superblock and the descriptors, and the copies of both. */
export async function writeSuperblocks(
  volume: SealedVolume,
  geometry: Geometry,
  facts: SuperblockFacts,
  descriptors: Buffer,
): Promise<void> {
  for (let group = 0; group < geometry.groups; group++) {
    if (!hasSuperblock(group)) continue;
    const start = group * blocksPerGroup * blockBytes;
    const block = Buffer.alloc(blockBytes);
    encodeSuperblock(geometry, facts, group).copy(block, group === 0 ? superblockOffset : 0);
    await volume.disk.write(start, block, true);
    await volume.disk.write(start + blockBytes, descriptors, true);
  }
}

/** Blocks that no file can ever have. */
export function overheadBlocks(geometry: Geometry): number {
  let blocks = geometry.journalBlocks + geometry.groups * (2 + geometry.inodesPerGroup / inodesPerBlock);
  for (let group = 0; group < geometry.groups; group++) {
    if (hasSuperblock(group)) blocks += 1 + geometry.descriptorBlocks + geometry.reservedDescriptorBlocks;
  }
  return blocks;
}
