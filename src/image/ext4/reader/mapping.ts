import type { Extent } from "../inode.ts";
import { readBlockMap } from "./block-map.ts";
import type { Ext4Disk } from "./disk.ts";
import { readExtentTree } from "./extent-tree.ts";
import { type Ext4Inode, flags, hasFlag } from "./inode.ts";
import { damaged } from "./superblock.ts";

/**
 * Where an inode's content lies, ascending; what is missing is zeros. Only up to its size, and without blocks that
 * were allocated but never written. No file can have more blocks than the disk: that bounds what a damaged one costs.
 */
export async function mappingOf(disk: Ext4Disk, inode: Ext4Inode): Promise<readonly Extent[]> {
  const used = Math.ceil(inode.sizeBytes / disk.superblock.blockBytes);
  const builder = new MappingBuilder(disk, inode, used);
  if (hasFlag(inode, flags.extents)) await readExtentTree(disk, inode, builder);
  else await readBlockMap(disk, inode, builder, used);
  return builder.extents;
}

/** Collects extents in ascending order, and refuses what cannot be. */
export class MappingBuilder {
  readonly extents: Extent[] = [];
  readonly #disk: Ext4Disk;
  readonly #inode: Ext4Inode;
  readonly #used: number;
  readonly #nodes = new Set<number>();
  #end = 0;
  #mapped = 0;

  constructor(disk: Ext4Disk, inode: Ext4Inode, used: number) {
    this.#disk = disk;
    this.#inode = inode;
    this.#used = used;
  }

  damaged(what: string): Error {
    return damaged(this.#disk.data, `inode ${this.#inode.number} ${what}`);
  }

  /** A block of the map itself: none can serve twice. */
  visit(block: number): void {
    if (block === 0 || this.#nodes.has(block)) throw this.damaged("has blocks in a circle");
    this.#nodes.add(block);
  }

  add(logical: number, physical: number, length: number, written = true): void {
    const { blocks, firstDataBlock } = this.#disk.superblock;
    if (logical < this.#end) throw this.damaged("has blocks out of order");
    if (physical < firstDataBlock || physical + length > blocks)
      throw this.damaged("has blocks outside the disk");
    this.#end = logical + length;
    this.#mapped += length;
    if (this.#mapped > blocks) throw this.damaged("has more blocks than the disk");
    if (!written || logical >= this.#used) return;
    const kept = Math.min(length, this.#used - logical);
    const last = this.extents.at(-1);
    if (
      last !== undefined &&
      last.logical + last.length === logical &&
      last.physical + last.length === physical
    ) {
      this.extents[this.extents.length - 1] = { ...last, length: last.length + kept };
    } else this.extents.push({ logical, physical, length: kept });
  }
}
