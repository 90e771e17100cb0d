import { Pieces, Ranges, totalBytes, type Union, union } from "./sweep.ts";

/** Where one disk's bytes lie. */
export class Placed {
  /** What the file system says other files refer to as well, the storage's or not. */
  readonly shared: Ranges = new Ranges();
  /** Bytes that lie nowhere yet, or among the metadata: nobody shares them. */
  nowhereBytes = 0;
  /** What it says only this file refers to. */
  readonly unshared: Ranges = new Ranges();
  #shared: Union | undefined;
  #unsharedBytes: number | undefined;

  /** This and the next two are asked for once all has been added. */
  get sharedUnion(): Union {
    this.#shared ??= union([this.shared]);
    return this.#shared;
  }

  get unsharedBytes(): number {
    this.#unsharedBytes ??= totalBytes(union([this.unshared])) + this.nowhereBytes;
    return this.#unsharedBytes;
  }

  get referencedBytes(): number {
    return totalBytes(this.sharedUnion) + this.unsharedBytes;
  }
}

export interface Freed {
  /** For each disk, what no other refers to. */
  readonly exclusiveBytes: readonly number[];
  /** For each group of disks, what becomes free when all of them go. */
  readonly groupBytes: readonly number[];
}

/**
 * What is whose, of disks in groups that are deleted together. With `alone`, there are no files besides these; else,
 * what one disk refers to and the file system calls shared all the same belongs to others too. Where there are none,
 * that word is not asked for: the file system goes on saying it for a moment after the other file is deleted.
 */
export function whoseBytes(groups: readonly (readonly Placed[])[], alone: boolean): Freed {
  const disks = groups.flat();
  const exclusiveBytes = disks.map((disk) => disk.unsharedBytes);
  const groupBytes = groups.map((group) => group.reduce((sum, disk) => sum + disk.unsharedBytes, 0));
  const manyFold = groups.some((group) => group.length > 1);
  if (!alone && !manyFold) return { exclusiveBytes, groupBytes };
  const unions = disks.map((disk) => disk.sharedUnion);
  const pieces = new Pieces(unions);
  const ofDisks = pieces.cover(unions);
  if (alone) addAlone(exclusiveBytes, pieces, ofDisks, 1);
  const ofGroups = manyFold ? pieces.cover(groups.map(sharedOf)) : ofDisks;
  addAlone(groupBytes, pieces, { ...ofGroups, users: ofDisks.count }, alone ? 1 : 2);
  return { exclusiveBytes, groupBytes };
}

function sharedOf(group: readonly Placed[]): Union {
  const [only] = group;
  return group.length === 1 && only !== undefined
    ? only.sharedUnion
    : union(group.map(({ shared }) => shared));
}

/** Adds the pieces that have one owner, and at least so many users. */
function addAlone(
  bytes: number[],
  pieces: Pieces,
  { count, owner, users = count }: ReturnType<Pieces["cover"]> & { readonly users?: Int32Array },
  leastUsers: number,
): void {
  for (let piece = 0; piece < pieces.count; piece += 1) {
    if (count[piece] !== 1 || (users[piece] ?? 0) < leastUsers) continue;
    const index = owner[piece] ?? 0;
    bytes[index] = (bytes[index] ?? 0) + pieces.bytesOf(piece);
  }
}

/** What all disks together take. Clones have most extents in common, so each is looked at once. */
export function coveredBytes(disks: readonly Placed[]): number {
  const endOf = new Map<number, number>();
  let sum = 0;
  for (const disk of disks) {
    sum += disk.unsharedBytes;
    const { starts, ends } = disk.sharedUnion;
    for (let index = 0; index < starts.length; index += 1) {
      const start = starts[index] ?? 0;
      const end = ends[index] ?? 0;
      if ((endOf.get(start) ?? 0) < end) endOf.set(start, end);
    }
  }
  const shared = new Ranges();
  for (const [start, end] of endOf) shared.add(start, end - start);
  return sum + totalBytes(union([shared]));
}
