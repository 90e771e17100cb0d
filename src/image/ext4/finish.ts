import { blockBytes, firstFreeInode, inodeFlags, journalInode, modeBits, resizeInode } from "./format.ts";
import { type InodeRecord, newRecord } from "./inode-record.ts";
import { encodeJournalSuperblock } from "./journal.ts";
import { type Content, type Geometry, givenGeometry, placeTables, smallestGeometry } from "./layout.ts";
import { InodeTableWriter, overheadBlocks, writeBitmaps, writeSuperblocks } from "./metadata.ts";
import { ensureLostFound, numberInodes } from "./numbering.ts";
import { extentBody, type PlacedInodes, placeInode, recordFor, standsInTable } from "./placement.ts";
import { buildResizeBlocks, encodeResizeBody, resizeInodeBytes } from "./resize-inode.ts";
import type { FileTree } from "./tree.ts";
import { extentsOf, type SealedVolume } from "./volume.ts";

export interface FinishOptions {
  readonly sizeBytes: number | undefined;
  readonly minFreeBytes: number;
  readonly descriptorArea: number;
  readonly uuid: Buffer;
  readonly hashSeed: Buffer;
  readonly label: string;
  readonly timestampSeconds: number;
  readonly signal: AbortSignal | undefined;
}

export interface FinishedDisk {
  readonly sizeBytes: number;
  /** What of the file is no hole: content, and the file system's own tables. */
  readonly usedBytes: number;
  /** Inodes in use. */
  readonly inodeCount: number;
}

/** Writes all that a file system is besides its files' content, and sets the disk's size. */
export async function finishVolume(
  volume: SealedVolume,
  tree: FileTree,
  options: FinishOptions,
): Promise<FinishedDisk> {
  const inodes = numberInodes(tree, ensureLostFound(tree, options.timestampSeconds));
  const lastInode = firstFreeInode + inodes.length - 3; // root and lost+found have numbers of their own
  const placed = await placeAll(volume, tree, inodes, options.signal);
  const resizeBlockAt = volume.allocator.allocateFreshRun(1);
  const geometry = decideGeometry(volume, lastInode, options);
  const journal = await writeJournal(volume, geometry, options.timestampSeconds);
  const tables = placeTables(geometry, volume.allocator);

  const table = new InodeTableWriter(volume, geometry, tables);
  await table.add(await writeResizeInode(volume, geometry, resizeBlockAt, options.timestampSeconds));
  await table.add(journal);
  const folderCounts = new Array<number>(geometry.groups).fill(0);
  const room = newRecord(); // one for all: the garbage of each inode's own would be most of the memory
  for (const id of inodes) {
    const inode = tree.inode(id);
    options.signal?.throwIfAborted();
    const waiting = table.add(recordFor(tree, inode, placed, room));
    if (waiting !== undefined) await waiting;
    if (inode.kind !== "folder") continue;
    const group = Math.floor((inode.number - 1) / geometry.inodesPerGroup);
    folderCounts[group] = (folderCounts[group] ?? 0) + 1;
  }
  await table.flush();

  const usage = await writeBitmaps(volume, geometry, tables, { last: lastInode, folderCounts });
  const facts = {
    ...options,
    freeBlocks: usage.freeBlocks,
    freeInodes: usage.freeInodes,
    overheadBlocks: overheadBlocks(geometry),
    journalBody: journal.body,
    journalBytes: journal.sizeBytes,
  };
  await writeSuperblocks(volume, geometry, facts, usage.descriptors);
  await volume.disk.flush();
  const sizeBytes = options.sizeBytes ?? geometry.blocks * blockBytes;
  await volume.disk.setSize(sizeBytes);
  return {
    sizeBytes,
    usedBytes: volume.disk.occupiedBytes,
    inodeCount: lastInode,
  };
}

/** Writes what inodes have outside of the table; what stands in the table alone is left for later, to save memory. */
async function placeAll(
  volume: SealedVolume,
  tree: FileTree,
  inodes: Uint32Array,
  signal: AbortSignal | undefined,
): Promise<PlacedInodes> {
  const placed: PlacedInodes = new Map();
  for (const id of inodes) {
    const inode = tree.inode(id);
    if (standsInTable(inode)) continue;
    signal?.throwIfAborted();
    const waiting = placeInode(volume, tree, inode, placed);
    if (waiting !== undefined) await waiting;
  }
  return placed;
}

function decideGeometry(volume: SealedVolume, inodes: number, options: FinishOptions): Geometry {
  const content: Content = { end: volume.allocator.end, free: volume.allocator.freeBlocks, inodes };
  const minFreeBlocks = Math.ceil(options.minFreeBytes / blockBytes);
  if (options.sizeBytes === undefined)
    return smallestGeometry(content, minFreeBlocks, options.descriptorArea);
  return givenGeometry(content, minFreeBlocks, options.descriptorArea, options.sizeBytes);
}

/** What the two hidden inodes have in common. */
function hiddenInode(
  number: number,
  seconds: number,
): Omit<InodeRecord, "sizeBytes" | "blocks" | "flags" | "body"> {
  return {
    number,
    mode: modeBits.file | 0o600,
    uid: 0,
    gid: 0,
    links: 1,
    modified: { seconds, nanoseconds: 0 },
    xattrBlock: 0,
    inlineXattrs: undefined,
  };
}

async function writeJournal(volume: SealedVolume, geometry: Geometry, seconds: number): Promise<InodeRecord> {
  const runs = volume.allocator.allocateFresh(geometry.journalBlocks);
  const start = (runs[0]?.start ?? 0) * blockBytes;
  await volume.disk.write(start, encodeJournalSuperblock(geometry.journalBlocks), true);
  const sizeBytes = geometry.journalBlocks * blockBytes;
  const { blocks, bytes } = await extentBody(volume, journalInode, extentsOf(runs));
  const flags = inodeFlags.extents;
  return { ...hiddenInode(journalInode, seconds), sizeBytes, blocks, flags, body: bytes };
}

async function writeResizeInode(
  volume: SealedVolume,
  geometry: Geometry,
  doublyIndirectAt: number,
  seconds: number,
): Promise<InodeRecord> {
  const { doublyIndirect, reserved, firstReserved, blocks } = buildResizeBlocks(geometry);
  await volume.disk.write(doublyIndirectAt * blockBytes, doublyIndirect, true);
  for (const [index, block] of reserved.entries()) {
    await volume.disk.write((firstReserved + index) * blockBytes, block, true);
  }
  return {
    ...hiddenInode(resizeInode, seconds),
    sizeBytes: resizeInodeBytes,
    blocks,
    flags: 0,
    body: encodeResizeBody(doublyIndirectAt),
  };
}
