import { EmberError } from "../../errors/ember-error.ts";
import type { Extent } from "../../image/ext4/inode.ts";
import { type Content, contentOf, readContent } from "../../image/ext4/reader/content.ts";
import type { Ext4Inode } from "../../image/ext4/reader/inode.ts";
import type { Disks } from "./comparison.ts";

const chunkBytes = 1024 * 1024;

/**
 * Whether two files hold the same. They are not read when they lie at the same places and have not been changed since,
 * to the nanosecond.
 */
export async function sameContent(
  disks: Disks,
  before: Ext4Inode,
  after: Ext4Inode,
  signal?: AbortSignal,
): Promise<boolean> {
  if (before.sizeBytes !== after.sizeBytes) return false;
  if (before.sizeBytes === 0) return true;
  const first = await contentOf(disks.before, before);
  const second = await contentOf(disks.after, after);
  if (timesTell(disks) && sameTimes(before, after) && samePlaces(first, second)) return true;
  const { blockBytes } = disks.before.superblock;
  const pieces = [...extentsOf(first, blockBytes), ...extentsOf(second, disks.after.superblock.blockBytes)];
  for (const [start, end] of covered(pieces, before.sizeBytes)) {
    for (let at = start; at < end; at += chunkBytes) {
      if (signal?.aborted === true)
        throw new EmberError("interrupted", "comparing the disks was interrupted");
      const length = Math.min(chunkBytes, end - at);
      const part = await readContent(disks.before, first, at, length);
      if (!part.equals(await readContent(disks.after, second, at, length))) return false;
    }
  }
  return true;
}

/** Both are states of one file system, and nothing was under way when they were kept. */
function timesTell({ before, after }: Disks): boolean {
  return before.clean && after.clean && before.superblock.uuid === after.superblock.uuid;
}

function sameTimes(before: Ext4Inode, after: Ext4Inode): boolean {
  const sameInode = before.number === after.number && before.generation === after.generation;
  return sameInode && before.stamp !== undefined && before.stamp === after.stamp;
}

function samePlaces(first: Content, second: Content): boolean {
  if ("inline" in first || "inline" in second) return false; // quickly compared
  const same = (one: Extent, other: Extent | undefined): boolean =>
    one.logical === other?.logical && one.physical === other.physical && one.length === other.length;
  return (
    first.extents.length === second.extents.length &&
    first.extents.every((extent, index) => same(extent, second.extents[index]))
  );
}

type Range = readonly [start: number, end: number];

function extentsOf(content: Content, blockBytes: number): Range[] {
  if ("inline" in content) return [[0, content.inline.length]];
  return content.extents.map(({ logical, length }) => [
    logical * blockBytes,
    (logical + length) * blockBytes,
  ]);
}

/** What any of the ranges covers: elsewhere both files have holes. Ascending, up to `sizeBytes`. */
function* covered(ranges: Range[], sizeBytes: number): Generator<Range> {
  ranges.sort((one, other) => one[0] - other[0]);
  let start = 0;
  let end = 0;
  for (const range of ranges) {
    if (range[0] > end) {
      if (end > start) yield [start, Math.min(end, sizeBytes)];
      [start, end] = range;
    } else end = Math.max(end, range[1]);
  }
  if (end > start) yield [start, Math.min(end, sizeBytes)];
}
