import type { BodySink, SparseSegment } from "../tar/entry.ts";
import type { Run } from "./allocator.ts";
import { blockBytes, blocksFor } from "./format.ts";
import { type Extent, type FileContent, fileContent } from "./inode.ts";
import type { Volume } from "./volume.ts";

interface Piece extends Extent {
  readonly fresh: boolean;
}

/**
 * Gives a file its blocks and writes its content there as `read` hands it over, in ascending order. Holes get no
 * blocks; data does, also where it is zeros. A promise comes back only when there is something to wait for.
 */
export function writeContent(
  volume: Volume,
  file: { readonly sizeBytes: number; readonly sparse?: readonly SparseSegment[] | undefined },
  read: (sink: BodySink) => void | Promise<void>,
): FileContent | Promise<FileContent> {
  const ranges =
    file.sparse === undefined ? [{ first: 0, end: blocksFor(file.sizeBytes) }] : rangesOf(file.sparse);
  let total = 0;
  for (const { first, end } of ranges) total += end - first;
  const runs = volume.allocator.allocate(total);
  const [run] = runs;
  if (file.sparse === undefined && run !== undefined && runs.length === 1)
    return writeRun(volume, file.sizeBytes, run, read);
  const pieces = layOut(ranges, runs);
  let index = 0;
  const write = (offset: number, chunk: Buffer): void | Promise<void> => {
    let piece = pieces[index];
    while (piece !== undefined && offset >= (piece.logical + piece.length) * blockBytes)
      piece = pieces[++index];
    if (piece === undefined) return;
    const room = (piece.logical + piece.length) * blockBytes - offset;
    const target = offset + (piece.physical - piece.logical) * blockBytes;
    if (chunk.length <= room) return volume.disk.write(target, chunk, piece.fresh);
    const first = volume.disk.write(target, chunk.subarray(0, room), piece.fresh);
    const rest = () => write(offset + room, chunk.subarray(room));
    return first === undefined ? rest() : first.then(rest);
  };
  const waiting = read(write);
  const content = fileContent(file.sizeBytes, pieces);
  return waiting === undefined ? content : waiting.then(() => content);
}

/** The same for what nearly every file is: one run of blocks, without holes. */
function writeRun(
  { disk }: Volume,
  sizeBytes: number,
  { start, length, fresh }: Run,
  read: (sink: BodySink) => void | Promise<void>,
): FileContent | Promise<FileContent> {
  const waiting = read((offset, chunk) => disk.write(start * blockBytes + offset, chunk, fresh));
  const content = { sizeBytes, start, blocks: length, extents: undefined };
  return waiting === undefined ? content : waiting.then(() => content);
}

interface BlockRange {
  readonly first: number;
  readonly end: number;
}

/** The blocks that hold any of the segments' bytes. */
function rangesOf(segments: readonly SparseSegment[]): BlockRange[] {
  const ranges: { first: number; end: number }[] = [];
  for (const { offset, length } of segments) {
    const first = Math.floor(offset / blockBytes);
    const end = blocksFor(offset + length);
    const last = ranges.at(-1);
    if (last !== undefined && first <= last.end) last.end = Math.max(last.end, end);
    else ranges.push({ first, end });
  }
  return ranges;
}

/** Gives the ranges of a file, in order, the blocks of the runs. */
function layOut(ranges: readonly BlockRange[], runs: readonly Run[]): Piece[] {
  const pieces: Piece[] = [];
  let runIndex = 0;
  let used = 0;
  for (const range of ranges) {
    for (let logical = range.first; logical < range.end; ) {
      const run = runs[runIndex];
      if (run === undefined) return pieces;
      const length = Math.min(range.end - logical, run.length - used);
      pieces.push({ logical, physical: run.start + used, length, fresh: run.fresh });
      logical += length;
      used += length;
      if (used === run.length) {
        runIndex++;
        used = 0;
      }
    }
  }
  return pieces;
}
