import { EmberError } from "../../errors/ember-error.ts";
import { entriesOf } from "../../image/ext4/reader/directory.ts";
import type { Ext4Disk } from "../../image/ext4/reader/disk.ts";
import { type Ext4Inode, readInode } from "../../image/ext4/reader/inode.ts";
import { damaged } from "../../image/ext4/reader/superblock.ts";
import { type ByteString, toBytes } from "../../image/tar/bytes.ts";
import type { FileChange } from "../../types.ts";
import { Comparison, type Disks } from "./comparison.ts";

/** Linux takes paths of up to 4095 bytes at once; a program that goes down step by step can make longer ones. */
const longestPath = 65_536;
const noEntries: ReadonlyMap<ByteString, number> = new Map();

/** A directory that is being walked: on both disks, or on one of them. */
interface Frame {
  readonly path: string;
  readonly before: ReadonlyMap<ByteString, number>;
  readonly after: ReadonlyMap<ByteString, number>;
  /** Of both, ascending, with the next one at the end. */
  readonly names: ByteString[];
}

/**
 * Walks both trees in step. All names of each directory are looked at, for what is below may differ where the
 * directory does not. Memory is bounded by the directories on the way down, not by the disk.
 */
export async function* walkBoth(disks: Disks, signal?: AbortSignal): AsyncGenerator<FileChange> {
  const walk = new Walk(disks, signal);
  const root = await walk.pair(2, 2);
  yield* walk.compare("/", root);
  const frames = [await walk.enter("", root)];
  for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
    const name = frame.names.pop();
    if (name === undefined) {
      frames.pop();
      continue;
    }
    const path = `${frame.path}/${textOf(name)}`;
    const inodes = await walk.pair(frame.before.get(name), frame.after.get(name));
    yield* walk.compare(path, inodes);
    if (inodes.before?.kind !== "directory" && inodes.after?.kind !== "directory") continue;
    if (path.length > longestPath) {
      throw new EmberError(
        "unsupported",
        `the directories below '${path.slice(0, 200)}' are nested too deeply`,
      );
    }
    frames.push(await walk.enter(path, inodes));
  }
}

interface Pair {
  readonly before: Ext4Inode | undefined;
  readonly after: Ext4Inode | undefined;
}

class Walk {
  readonly #disks: Disks;
  readonly #signal: AbortSignal | undefined;
  readonly #comparison: Comparison;
  readonly #seen = { before: new Set<number>(), after: new Set<number>() };

  constructor(disks: Disks, signal: AbortSignal | undefined) {
    this.#disks = disks;
    this.#signal = signal;
    this.#comparison = new Comparison(disks, signal);
  }

  async pair(before: number | undefined, after: number | undefined): Promise<Pair> {
    return {
      before: before === undefined ? undefined : await readInode(this.#disks.before, before),
      after: after === undefined ? undefined : await readInode(this.#disks.after, after),
    };
  }

  async *compare(path: string, { before, after }: Pair): AsyncGenerator<FileChange> {
    const change = await this.#comparison.changeOf(path, before, after);
    if (change !== undefined) yield change;
  }

  async enter(path: string, inodes: Pair): Promise<Frame> {
    if (this.#signal?.aborted === true)
      throw new EmberError("interrupted", "comparing the disks was interrupted");
    const before = await this.#entries("before", inodes.before);
    const after = await this.#entries("after", inodes.after);
    const names = new Set([...before.keys(), ...after.keys()]);
    return { path, before, after, names: [...names].sort().reverse() };
  }

  async #entries(side: keyof Disks, inode: Ext4Inode | undefined): Promise<ReadonlyMap<ByteString, number>> {
    if (inode?.kind !== "directory") return noEntries;
    const disk: Ext4Disk = this.#disks[side];
    // Directories have one name each; another one would lead in a circle.
    if (this.#seen[side].has(inode.number))
      throw damaged(disk.data, `directory ${inode.number} has two names`);
    this.#seen[side].add(inode.number);
    return await entriesOf(disk, inode);
  }
}

/** Names in encrypted directories may hold bytes that no other name may. */
function textOf(name: ByteString): string {
  return toBytes(name).toString("utf8").replaceAll(/[/\0]/g, "\uFFFD");
}
