import type { BlockAllocator, Run } from "./allocator.ts";
import type { HashSeed } from "./directory-hash.ts";
import type { DiskFile } from "./disk-file.ts";
import { blockBytes } from "./format.ts";
import type { Extent } from "./inode.ts";

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
  await writeBlocks(volume, runs, blocks);
  return extentsOf(runs);
}

/** Writes blocks to these runs, which are as long as all of them. A promise comes back only when there is something to wait for. */
export function writeBlocks(
  volume: Volume,
  runs: readonly Run[],
  blocks: readonly Buffer[],
): Promise<void> | undefined {
  let index = 0;
  for (const { start, length, fresh } of runs) {
    for (let at = start; at < start + length; at++) {
      const block = blocks[index++];
      const waiting = block === undefined ? undefined : volume.disk.write(at * blockBytes, block, fresh);
      const written = index;
      if (waiting !== undefined)
        return waiting.then(() => writeBlocks(volume, without(runs, written), blocks.slice(written)));
    }
  }
  return undefined;
}

/** The runs less the first `count` of their blocks. */
function without(runs: readonly Run[], count: number): Run[] {
  let left = count;
  return runs.flatMap((run) => {
    const gone = Math.min(left, run.length);
    left -= gone;
    return gone === run.length ? [] : [{ ...run, start: run.start + gone, length: run.length - gone }];
  });
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
