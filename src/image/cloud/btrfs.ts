import { isBlockSize, type SuperblockFacts } from "./superblocks.ts";

const superblock = 65_536;

/**
 * What the first bytes of a device of a btrfs say of it (btrfs_tree.h, struct btrfs_super_block; numbers are little-endian).
 * A size that cannot be is undefined.
 */
export function btrfsFacts(start: Buffer): SuperblockFacts {
  const devices = start.readBigUInt64LE(superblock + 136);
  const deviceBytes = start.readBigUInt64LE(superblock + 209); // of the item for this device
  const isSound = isBlockSize(start.readUInt32LE(superblock + 144)) && deviceBytes > 0n && devices > 0n;
  return {
    sizeBytes: isSound ? deviceBytes : undefined,
    elsewhere: devices > 1n ? `it is spread over ${devices} devices` : undefined,
  };
}
