import { Pieces, Ranges, totalBytes, union } from "./sweep.ts";

/** Where one disk's bytes lie. */
export class Placed {
  readonly all: Ranges = new Ranges();
  /** Those of them that the file system says other files refer to as well, the storage's or not. */
  readonly shared: Ranges = new Ranges();
  /** Bytes that lie nowhere yet, or among the metadata: nobody shares them. */
  nowhereBytes = 0;
  #account: Account | undefined;

  /** Asked for once all has been added. */
  get account(): Account {
    if (this.#account === undefined) {
      const referencedBytes = totalBytes(union([this.all])) + this.nowhereBytes;
      const exclusiveBytes = referencedBytes - totalBytes(union([this.shared]));
      this.#account = { referencedBytes, exclusiveBytes };
    }
    return this.#account;
  }
}

export interface Account {
  readonly referencedBytes: number;
  readonly exclusiveBytes: number;
}

/**
 * What becomes free when all disks of a group go: what one of them has alone, and what only they share. What one disk
 * refers to and the file system calls shared all the same belongs to files outside the storage as well, and stays.
 */
export function freedByGroups(groups: readonly (readonly Placed[])[]): number[] {
  const freed = groups.map((group) => group.reduce((sum, disk) => sum + disk.account.exclusiveBytes, 0));
  if (groups.every((group) => group.length < 2)) return freed;
  const disks = groups.flat().map((disk) => union([disk.shared]));
  const owners = groups.map((group) => union(group.map(({ shared }) => shared)));
  const pieces = new Pieces(disks);
  const users = pieces.cover(disks);
  const { count, owner } = pieces.cover(owners);
  for (let piece = 0; piece < pieces.count; piece += 1) {
    if (count[piece] !== 1 || (users.count[piece] ?? 0) < 2) continue;
    const index = owner[piece] ?? 0;
    freed[index] = (freed[index] ?? 0) + pieces.bytesOf(piece);
  }
  return freed;
}

/** What all disks together take. Clones have most extents in common, so each is looked at once. */
export function coveredBytes(disks: readonly Placed[]): number {
  const endOf = new Map<number, number>();
  let sum = 0;
  for (const disk of disks) {
    sum += disk.account.exclusiveBytes;
    const { starts, ends } = union([disk.shared]);
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
