import { EmberError, toEmberError } from "../../errors/ember-error.ts";
import { openDisk } from "../../image/disk/open-disk.ts";
import { openExt4 } from "../../image/ext4/reader/disk.ts";
import type { ReadableDisk } from "../../storage/storage.ts";
import type { FileChange } from "../../types.ts";
import { walkBoth } from "./walk.ts";

/** They are all held in memory. */
const maxChanges = 5_000_000;

/**
 * Which files differ between two ext4 disks, in the order of a walk through the tree. Times alone are no difference.
 * Needs no root and mounts nothing. Throws `unsupported` for disks that are not one ext4 file system as a whole,
 * `io-failed` for damaged ones, `interrupted`.
 */
export async function diffDisks(
  before: ReadableDisk,
  after: ReadableDisk,
  signal?: AbortSignal,
): Promise<readonly FileChange[]> {
  try {
    await using first = await openDisk(before);
    await using second = await openDisk(after);
    const changes: FileChange[] = [];
    const disks = { before: await openExt4(first), after: await openExt4(second) };
    for await (const change of walkBoth(disks, signal)) {
      changes.push(change);
      if (changes.length > maxChanges) {
        throw new EmberError("unsupported", `more than ${maxChanges} files differ`);
      }
    }
    return changes;
  } catch (error) {
    const known = toEmberError(error);
    if (known === error) throw error;
    throw new EmberError(known.code, `cannot compare the disks: ${known.message}`, { cause: error });
  }
}
