import { fastSymlinkBytes } from "../format.ts";
import { contentOf, readContent } from "./content.ts";
import type { Ext4Disk } from "./disk.ts";
import { type Ext4Inode, flags, hasFlag } from "./inode.ts";
import { damaged } from "./superblock.ts";

/** Throws `io-failed` for a target that no kernel would make. */
export async function targetOf(disk: Ext4Disk, inode: Ext4Inode): Promise<Buffer> {
  const { sizeBytes } = inode;
  if (sizeBytes > disk.superblock.blockBytes) {
    throw damaged(disk.data, `inode ${inode.number} has too long a target`);
  }
  const within = sizeBytes < fastSymlinkBytes && !hasFlag(inode, flags.extents | flags.inlineData);
  if (within) return inode.body.subarray(0, sizeBytes);
  return await readContent(disk, await contentOf(disk, inode), 0, sizeBytes);
}
