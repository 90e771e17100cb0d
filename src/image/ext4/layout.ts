import { EmberError } from "../../errors/ember-error.ts";
import { formatSize } from "../../host/sizes.ts";
import { BlockAllocator } from "./allocator.ts";
import {
  blockBytes,
  blocksPerGroup,
  descriptorsPerBlock,
  groupsPerFlex,
  hasSuperblock,
  inodesPerBlock,
} from "./format.ts";

/**
 * Blocks kept behind each superblock for group descriptors. Those that the disk does not need yet let a mounted
 * file system grow to 2 TiB in place; beyond, the kernel changes to another scheme by itself.
 */
export const defaultDescriptorArea = 256;
const maxReservedDescriptors = 1024;
/** As many inodes as mke2fs gives by default: one for 16 KiB. */
const leastInodesPerGroup = 8192;
const mostInodesPerGroup = 32768;
/** Below this a last group is not worth having; mke2fs draws the same line. */
const leastUsefulBlocks = 50;
/** Disks of no given size are a whole number of MiB. */
const roundingBlocks = 256;

/** The sizes of a file system; all else follows from them. */
export interface Geometry {
  readonly blocks: number;
  readonly groups: number;
  readonly inodesPerGroup: number;
  /** Blocks in use for group descriptors, and kept for more of them: together the same wherever the disk grows to. */
  readonly descriptorBlocks: number;
  readonly reservedDescriptorBlocks: number;
  readonly journalBlocks: number;
}

/** Where each group has its bitmaps and the table of its inodes. */
export interface GroupTables {
  readonly blockBitmaps: readonly number[];
  readonly inodeBitmaps: readonly number[];
  readonly inodeTables: readonly number[];
}

/** How many blocks to keep for descriptors on a disk of (at first) this size, if it is known. */
export function descriptorAreaFor(sizeBytes: number | undefined): number {
  const groups = Math.ceil((sizeBytes ?? 0) / blockBytes / blocksPerGroup);
  const needed = Math.ceil(groups / descriptorsPerBlock);
  if (needed <= defaultDescriptorArea / 2) return defaultDescriptorArea;
  return needed + Math.min(needed, maxReservedDescriptors);
}

/** What mke2fs would give a disk of this size. */
export function journalBlocksFor(blocks: number): number {
  const steps: readonly (readonly [below: number, journal: number])[] = [
    [32768, 1024],
    [262144, 4096],
    [524288, 8192],
    [4194304, 16384],
    [8388608, 32768],
    [16777216, 65536],
    [33554432, 131072],
  ];
  return steps.find(([below]) => blocks < below)?.[1] ?? 262144;
}

/**
 * The least journal with which the kernel can grow the disk: adding groups takes one transaction that may touch every
 * block kept for descriptors, and a transaction is at most a quarter of the journal (jbd2). Blocks of zeros cost nothing.
 */
function growableJournalBlocks(reservedDescriptorBlocks: number): number {
  return Math.ceil((4 * (reservedDescriptorBlocks + 128)) / 4096) * 4096;
}

/**
 * Inodes that a disk should have: those in use, and to spare. Not more than that, for every group that the disk grows
 * by gets as large a table.
 */
function wantedInodes(used: number): number {
  return Math.ceil(used * 1.25) + 4096;
}

/** The geometry of a disk of `blocks` blocks. Undefined when there is no room even for the inodes in use. */
export function geometryOf(blocks: number, usedInodes: number, descriptorArea: number): Geometry | undefined {
  const usable = withoutUselessGroup(blocks, descriptorArea);
  const groups = Math.ceil(usable / blocksPerGroup);
  if (groups === 0) return undefined;
  const share = Math.max(leastInodesPerGroup, Math.ceil(wantedInodes(usedInodes) / groups));
  const inodesPerGroup = Math.min(Math.ceil(share / inodesPerBlock) * inodesPerBlock, mostInodesPerGroup);
  if (inodesPerGroup * groups < usedInodes) return undefined;
  const descriptorBlocks = Math.ceil(groups / descriptorsPerBlock);
  if (descriptorBlocks > descriptorArea) {
    throw new EmberError("disk-full", "the image is larger than a disk of no given size can become", {
      hint: "give the disk a size",
    });
  }
  const reservedDescriptorBlocks = Math.min(descriptorArea - descriptorBlocks, maxReservedDescriptors);
  return {
    blocks: usable,
    groups,
    inodesPerGroup,
    descriptorBlocks,
    reservedDescriptorBlocks,
    journalBlocks: Math.max(journalBlocksFor(usable), growableJournalBlocks(reservedDescriptorBlocks)),
  };
}

/** The size less a last group that would hold hardly more than its own superblock copy. */
function withoutUselessGroup(blocks: number, descriptorArea: number): number {
  const last = blocks % blocksPerGroup;
  if (last === 0) return blocks;
  const kept = hasSuperblock(Math.floor(blocks / blocksPerGroup)) ? 1 + descriptorArea : 0;
  return last < kept + leastUsefulBlocks ? blocks - last : blocks;
}

/** What is on the disk before its size is known, in blocks. */
export interface Content {
  /** No block from here on is in use, but for superblock copies. */
  readonly end: number;
  /** Free blocks before `end`. */
  readonly free: number;
  readonly inodes: number;
}

/** The smallest geometry that holds the content and leaves at least `minFreeBlocks` free. */
export function smallestGeometry(content: Content, minFreeBlocks: number, descriptorArea: number): Geometry {
  for (let blocks = content.end; ; ) {
    blocks = Math.ceil(blocks / roundingBlocks) * roundingBlocks;
    const geometry = geometryOf(blocks, content.inodes, descriptorArea);
    if (geometry === undefined || geometry.inodesPerGroup * geometry.groups < wantedInodes(content.inodes)) {
      blocks += blocksPerGroup; // its tables hold more inodes
      continue;
    }
    const missing = Math.max(
      minFreeBlocks - freeBlocks(geometry, content, descriptorArea),
      endOf(geometry, content, descriptorArea) - geometry.blocks,
    );
    if (missing <= 0) return geometry;
    blocks += Math.max(missing, roundingBlocks);
  }
}

/** The geometry of a disk of a given size. Throws `disk-full` when the content does not fit. */
export function givenGeometry(
  content: Content,
  minFreeBlocks: number,
  descriptorArea: number,
  sizeBytes: number,
): Geometry {
  const geometry = geometryOf(Math.floor(sizeBytes / blockBytes), content.inodes, descriptorArea);
  const fits =
    geometry !== undefined &&
    freeBlocks(geometry, content, descriptorArea) >= minFreeBlocks &&
    endOf(geometry, content, descriptorArea) <= geometry.blocks;
  if (!fits) {
    const needed = smallestGeometry(content, minFreeBlocks, descriptorArea).blocks * blockBytes;
    throw tooSmall(sizeBytes, needed);
  }
  return geometry;
}

function tooSmall(sizeBytes: number, needed: number): EmberError {
  return new EmberError(
    "disk-full",
    `a disk of ${formatSize(sizeBytes)} is too small for the image, which needs ${formatSize(needed)}`,
    { hint: "give the disk a larger size" },
  );
}

/** What of a disk is free once journal, tables and superblock copies have their place. */
function freeBlocks(geometry: Geometry, content: Content, descriptorArea: number): number {
  let kept = 0;
  for (let group = Math.ceil(content.end / blocksPerGroup); group < geometry.groups; group++) {
    if (hasSuperblock(group)) kept += 1 + descriptorArea;
  }
  const tables = geometry.groups * (2 + geometry.inodesPerGroup / inodesPerBlock);
  return geometry.blocks - content.end + content.free - kept - tables - geometry.journalBlocks;
}

/** Blocks of extents that the journal may need beside its own. */
const journalExtentBlocks = 8;

/**
 * Where the disk ends once journal and tables have their place. They are laid behind the content, however much is free
 * within it: where a layer took back what one below it had brought, that may be a great deal.
 */
function endOf(geometry: Geometry, content: Content, descriptorArea: number): number {
  const trial = new BlockAllocator(1 + descriptorArea);
  trial.skipTo(content.end);
  trial.allocateFresh(geometry.journalBlocks + journalExtentBlocks);
  layTables(geometry, trial);
  return trial.end;
}

/**
 * Finds a place for all groups' tables: behind the data, or where their flex group begins.
 * Throws `disk-full` when there is none.
 */
export function placeTables(geometry: Geometry, allocator: BlockAllocator): GroupTables {
  const tables = layTables(geometry, allocator);
  if (allocator.end > geometry.blocks)
    throw tooSmall(geometry.blocks * blockBytes, allocator.end * blockBytes);
  return tables;
}

function layTables(geometry: Geometry, allocator: BlockAllocator): GroupTables {
  const blockBitmaps: number[] = [];
  const inodeBitmaps: number[] = [];
  const inodeTables: number[] = [];
  const tableBlocks = geometry.inodesPerGroup / inodesPerBlock;
  for (let first = 0; first < geometry.groups; first += groupsPerFlex) {
    const count = Math.min(groupsPerFlex, geometry.groups - first);
    const ownStart = first * blocksPerGroup;
    // A flex group that is cut short may not hold its own tables; they then follow those before it.
    if (ownStart + 2 * count * (2 + tableBlocks) < geometry.blocks) allocator.skipTo(ownStart);
    for (let group = 0; group < count; group++) blockBitmaps.push(allocator.allocateFreshRun(1));
    for (let group = 0; group < count; group++) inodeBitmaps.push(allocator.allocateFreshRun(1));
    for (let group = 0; group < count; group++) inodeTables.push(allocator.allocateFreshRun(tableBlocks));
  }
  return { blockBitmaps, inodeBitmaps, inodeTables };
}
