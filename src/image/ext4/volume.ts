import type { BlockAllocator, Run } from "./allocator.ts";
import type { HashSeed } from "./directory-hash.ts";
import type { DiskFile } from "./disk-file.ts";
import { blockBytes } from "./format.ts";
import type { Extent } from "./tree.ts";

/** A file system that is being written: the disk, and where on it blocks go. */
export interface Volume {
  readonly disk: DiskFile;
  readonly allocator: BlockAllocator;
}

/** A volume that knows its UUID. */
export interface SealedVolume extends Volume {
  /** The checksum seed, made from the UUID. */
  readonly seed: number;
  readonly hashSeed: HashSeed;
}

/** Writes one block where there is room. Returns its number. */
export async function placeBlock(
  volume: Volume,
  content: Buffer,
  seal?: (at: number) => void,
): Promise<number> {
  const run = volume.allocator.allocate(1)[0];
  const at = run?.start ?? 0;
  seal?.(at);
  await volume.disk.write(at * blockBytes, content, run?.fresh ?? false);
  return at;
}

/** Writes blocks one behind the other where there is room. Returns their extents. */
export async function placeBlocks(volume: Volume, blocks: readonly Buffer[]): Promise<Extent[]> {
  const runs = volume.allocator.allocate(blocks.length);
  let index = 0;
  for (const run of runs) {
    for (let at = run.start; at < run.start + run.length; at++, index++) {
      const block = blocks[index];
      if (block === undefined) continue;
      const waiting = volume.disk.write(at * blockBytes, block, run.fresh);
      if (waiting !== undefined) await waiting;
    }
  }
  return extentsOf(runs);
}

/** The extents of a file without holes whose blocks these are. */
export function extentsOf(runs: readonly Run[]): Extent[] {
  let logical = 0;
  return runs.map(({ start, length }) => {
    const extent = { logical, physical: start, length };
    logical += length;
    return extent;
  });
}
