import { EmberError } from "../../errors/ember-error.ts";
import type { OtherRoot } from "../../types.ts";
import type { BlockReader } from "../disk/block-reader.ts";
import { shown } from "../reference.ts";
import { btrfsFacts } from "./btrfs.ts";
import { asTarball, startOf } from "./file-systems.ts";
import { xfsFacts } from "./xfs.ts";

/** What a superblock says of a file system that is not looked into. */
export interface SuperblockFacts {
  /** Undefined where the superblock contradicts itself. */
  readonly sizeBytes: bigint | undefined;
  /** What of it is not on this disk; undefined where all is. */
  readonly elsewhere: string | undefined;
}

/** The powers of two that file systems have blocks of. */
export function isBlockSize(bytes: number): boolean {
  return bytes >= 512 && bytes <= 65_536 && (bytes & (bytes - 1)) === 0;
}

const facts: Readonly<Record<OtherRoot, (start: Buffer) => SuperblockFacts>> = {
  xfs: xfsFacts,
  btrfs: btrfsFacts,
};

/**
 * Throws `image-invalid` for a superblock that cannot be, or a file system that is larger than its partition, `unsupported`
 * for one that is not all there.
 */
export async function checkWhole(disk: BlockReader, fileSystem: OtherRoot, where: string): Promise<void> {
  const { sizeBytes, elsewhere } = facts[fileSystem](await startOf(disk));
  const subject = `the ${fileSystem} in '${shown(disk.name)}'${where}`;
  if (sizeBytes === undefined || sizeBytes > BigInt(disk.sizeBytes)) {
    const why = sizeBytes === undefined ? "is damaged" : "is cut short: it is larger than what it lies on";
    throw new EmberError("image-invalid", `${subject} ${why}`, {
      hint: "compare the file's checksum with the published one, and fetch it again",
    });
  }
  if (elsewhere === undefined) return;
  throw new EmberError("unsupported", `guests cannot boot from ${subject}: ${elsewhere}`, {
    hint: asTarball,
  });
}
