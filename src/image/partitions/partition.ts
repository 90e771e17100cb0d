import { EmberError } from "../../errors/ember-error.ts";
import type { BlockReader } from "../disk/block-reader.ts";
import { shown } from "../reference.ts";

/** A part of a disk, as its partition table says. It lies within the disk, and no other lies in it. */
export interface Partition {
  /** As Linux counts them, from 1. */
  readonly number: number;
  readonly startBytes: number;
  readonly sizeBytes: number;
  /** GPT: the type's GUID, lower case; MBR: two hexadecimal digits. */
  readonly type: string;
  /** What a GPT calls it; "" where it has no name. */
  readonly name: string;
}

/** How many a table may have: Linux itself makes devices for no more than 256. */
export const mostPartitions = 256;

export function invalidTable({ name }: Pick<BlockReader, "name">, why: string): EmberError {
  return new EmberError("image-invalid", `the partition table of '${shown(name)}' is damaged: ${why}`, {
    hint: "compare the file's checksum with the published one, and fetch it again",
  });
}

/** Throws `image-invalid` for partitions that leave the disk, lie in each other or are too many; returns them by number. */
export function checkPartitions(
  disk: Pick<BlockReader, "name" | "sizeBytes">,
  partitions: readonly Partition[],
): readonly Partition[] {
  if (partitions.length > mostPartitions)
    throw invalidTable(disk, `it has more than ${mostPartitions} entries`);
  const byPlace = partitions.toSorted((one, other) => one.startBytes - other.startBytes);
  let end = 0;
  for (const { number, startBytes, sizeBytes } of byPlace) {
    if (sizeBytes <= 0) throw invalidTable(disk, `partition ${number} ends before it begins`);
    if (startBytes <= 0 || startBytes + sizeBytes > disk.sizeBytes)
      throw invalidTable(disk, `partition ${number} leaves the disk`);
    if (startBytes < end) throw invalidTable(disk, `partition ${number} lies in another one`);
    end = startBytes + sizeBytes;
  }
  return partitions.toSorted((one, other) => one.number - other.number);
}

/** A partition as a disk of its own. Disposing of it leaves the disk open. */
export function partOf(disk: BlockReader, { startBytes, sizeBytes }: Partition): BlockReader {
  return {
    name: disk.name,
    sizeBytes,
    async read(offset, length) {
      // What lies behind the partition's end is another's, and no place of this one's.
      if (offset < 0 || length < 0 || offset + length > sizeBytes) {
        throw new EmberError(
          "io-failed",
          `a file system in '${shown(disk.name)}' refers to bytes behind its end`,
          {
            hint: "the image is damaged",
          },
        );
      }
      return await disk.read(startBytes + offset, length);
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}
