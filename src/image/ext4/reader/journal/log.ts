import type { BlockReader } from "../../../disk/block-reader.ts";
import type { Extent } from "../../inode.ts";
import { damaged } from "../superblock.ts";
import type { JournalSuperblock } from "./format.ts";

/** The journal's blocks, by their numbers in its file. */
export class Log {
  readonly #disk: BlockReader;
  readonly #extents: readonly Extent[];
  readonly #blockBytes: number;
  #index = 0;

  constructor(disk: BlockReader, extents: readonly Extent[], blockBytes: number) {
    this.#disk = disk;
    this.#extents = extents;
    this.#blockBytes = blockBytes;
  }

  /** Where on the disk a block lies. */
  placeOf(block: number): number {
    const holds = (extent: Extent | undefined): extent is Extent =>
      extent !== undefined && block >= extent.logical && block < extent.logical + extent.length;
    // Mostly it is where the last one was.
    if (!holds(this.#extents[this.#index])) this.#index = this.#extents.findIndex(holds);
    const extent = this.#extents[this.#index];
    if (extent === undefined) throw damaged(this.#disk, "its journal has holes");
    return extent.physical + (block - extent.logical);
  }

  /** A copy that may be kept. */
  async read(block: number): Promise<Buffer> {
    const bytes = await this.#disk.read(this.placeOf(block) * this.#blockBytes, this.#blockBytes);
    return Buffer.from(bytes);
  }
}

/** The block of the log that comes `steps` after `block`; behind its end it goes on at its beginning. */
export function onward({ first, end }: JournalSuperblock, block: number, steps: number): number {
  return first + ((block - first + steps) % (end - first));
}
