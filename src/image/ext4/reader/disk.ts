import type { BlockReader } from "../../disk/block-reader.ts";
import { cached } from "../../disk/cached-disk.ts";
import { damaged, readSuperblock, type Superblock } from "./superblock.ts";

/** An ext4 file system that is open for reading. Nothing on it is trusted: every place it names is checked. */
export interface Ext4Disk {
  readonly superblock: Superblock;
  /** For contents. */
  readonly data: BlockReader;
  /** The same bytes, with a memory, for all that is small. */
  readonly metadata: BlockReader;
  /** The journal held changes that are not in place; they are shown as if they were. */
  readonly replayed: boolean;
}

/** Throws `unsupported` for what is no ext4 file system or one of an unknown kind, `io-failed` for a damaged one. */
export async function openExt4(disk: BlockReader): Promise<Ext4Disk> {
  const superblock = await readSuperblock(disk);
  return { superblock, data: disk, metadata: cached(disk), replayed: false };
}

/** One block of metadata. */
export async function readBlock(disk: Ext4Disk, block: number): Promise<Buffer> {
  const { blockBytes, blocks } = disk.superblock;
  if (block >= blocks) throw damaged(disk.data, `block ${block} lies behind its end`);
  return await disk.metadata.read(block * blockBytes, blockBytes);
}
