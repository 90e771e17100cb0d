import { isBlockSize, type SuperblockFacts } from "./superblocks.ts";

/**
 * What the first bytes of an XFS file system say of it (xfs_format.h, struct xfs_dsb; numbers are big-endian). A size that
 * cannot be is undefined.
 */
export function xfsFacts(start: Buffer): SuperblockFacts {
  const blockBytes = start.readUInt32BE(4);
  const blocks = start.readBigUInt64BE(8);
  const [groupBlocks, groups] = [start.readUInt32BE(84), start.readUInt32BE(88)];
  const most = BigInt(groupBlocks) * BigInt(groups);
  const isSound =
    isBlockSize(blockBytes) && groups > 0 && blocks > most - BigInt(groupBlocks) && blocks <= most;
  return {
    sizeBytes: isSound ? blocks * BigInt(blockBytes) : undefined,
    elsewhere: elsewhereOf(start),
  };
}

function elsewhereOf(start: Buffer): string | undefined {
  if (start.readBigUInt64BE(48) === 0n) return "its log is on another device";
  return start.readBigUInt64BE(16) === 0n ? undefined : "a part of it is on a realtime device";
}
