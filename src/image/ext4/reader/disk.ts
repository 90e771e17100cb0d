import type { BlockReader } from "../../disk/block-reader.ts";
import { cached } from "../../disk/cached-disk.ts";
import { replayed } from "./journal/replay.ts";
import { damaged, readSuperblock, type Superblock } from "./superblock.ts";

/** An ext4 file system that is open for reading. Nothing on it is trusted: every place it names is checked. */
export interface Ext4Disk {
  readonly superblock: Superblock;
  /** For contents. */
  readonly data: BlockReader;
  /** The same bytes, with a memory, for all that is small. */
  readonly metadata: BlockReader;
  /** It was unmounted or frozen: all that was written before is there. Else times and contents may not agree. */
  readonly clean: boolean;
}

/**
 * A file system that was in use when its disk was kept is shown as it is once its journal is replayed. Throws
 * `unsupported` for what is no ext4 file system or one of an unknown kind, `io-failed` for a damaged one.
 */
export async function openExt4(disk: BlockReader): Promise<Ext4Disk> {
  const superblock = await readSuperblock(disk);
  const { clean } = superblock;
  const asItIs = { superblock, data: disk, metadata: cached(disk), clean };
  if (!superblock.needsReplay) return asItIs;
  const data = await replayed(asItIs);
  return { superblock: await readSuperblock(data), data, metadata: cached(data), clean };
}

/** One block of metadata. */
export async function readBlock(disk: Ext4Disk, block: number): Promise<Buffer> {
  const { blockBytes, blocks } = disk.superblock;
  if (block >= blocks) throw damaged(disk.data, `block ${block} lies behind its end`);
  return await disk.metadata.read(block * blockBytes, blockBytes);
}
