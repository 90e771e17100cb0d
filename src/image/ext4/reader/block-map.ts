import { type Ext4Disk, readBlock } from "./disk.ts";
import type { Ext4Inode } from "./inode.ts";
import type { MappingBuilder } from "./mapping.ts";

const directBlocks = 12;

/** Adds the blocks of an inode that has the map of ext2 and ext3: twelve blocks, then trees of one to three levels. */
export async function readBlockMap(
  disk: Ext4Disk,
  { body }: Ext4Inode,
  into: MappingBuilder,
  used: number,
): Promise<void> {
  const perBlock = disk.superblock.blockBytes / 4;
  addPointers(body.subarray(0, directBlocks * 4), 0, into, used);
  let logical = directBlocks;
  for (let level = 1; level <= 3 && logical < used; level += 1) {
    await readTree(
      { disk, into, used, perBlock },
      body.readUInt32LE((directBlocks + level - 1) * 4),
      level,
      logical,
    );
    logical += perBlock ** level;
  }
}

interface Walk {
  readonly disk: Ext4Disk;
  readonly into: MappingBuilder;
  readonly used: number;
  readonly perBlock: number;
}

async function readTree(walk: Walk, block: number, level: number, logical: number): Promise<void> {
  if (block === 0) return; // a hole
  walk.into.visit(block);
  const pointers = Buffer.from(await readBlock(walk.disk, block));
  if (level === 1) return addPointers(pointers, logical, walk.into, walk.used);
  const span = walk.perBlock ** (level - 1);
  for (let index = 0; index < walk.perBlock; index += 1) {
    const start = logical + index * span;
    if (start >= walk.used) return;
    await readTree(walk, pointers.readUInt32LE(index * 4), level - 1, start);
  }
}

function addPointers(pointers: Buffer, logical: number, into: MappingBuilder, used: number): void {
  for (let index = 0; index * 4 < pointers.length && logical + index < used; index += 1) {
    const physical = pointers.readUInt32LE(index * 4);
    if (physical !== 0) into.add(logical + index, physical, 1);
  }
}
