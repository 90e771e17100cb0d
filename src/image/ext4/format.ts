/**
 * Numbers of ext4's on-disk format that several files here need. The format: the Linux kernel's
 * Documentation/filesystems/ext4, and fs/ext4/ext4.h where that is silent.
 */
export const blockBytes = 4096;
export const blocksPerGroup = 32768;
export const inodeBytes = 256;
/** What an inode holds in its middle: extents, a short target, a device number. */
export const bodyBytes = 60;
export const inodesPerBlock: number = blockBytes / inodeBytes;
export const descriptorBytes = 64;
export const descriptorsPerBlock: number = blockBytes / descriptorBytes;
/** How many groups keep their bitmaps and inode tables together. */
export const groupsPerFlex = 16;

export const rootInode = 2;
export const resizeInode = 7;
export const journalInode = 8;
export const lostFoundInode = 11;
export const firstFreeInode = 12;

export const maxLinks = 65000;
export const maxNameBytes = 255;
/** A block less the NUL that ends the target. */
export const maxSymlinkBytes: number = blockBytes - 1;
/** Targets shorter than this stand in the inode itself. */
export const fastSymlinkBytes = 60;
/** Logical block numbers have 32 bits, and the last is reserved. */
export const maxFileBytes: number = (2 ** 32 - 1) * blockBytes;

export type InodeKind =
  | "file"
  | "folder"
  | "symlink"
  | "character-device"
  | "block-device"
  | "fifo"
  | "socket";

export const modeBits: Readonly<Record<InodeKind, number>> = {
  fifo: 0o010000,
  "character-device": 0o020000,
  folder: 0o040000,
  "block-device": 0o060000,
  file: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
};

/** The file types that directory entries carry. */
export const entryTypes: Readonly<Record<InodeKind, number>> = {
  file: 1,
  folder: 2,
  "character-device": 3,
  "block-device": 4,
  fifo: 5,
  socket: 6,
  symlink: 7,
};

export const inodeFlags = { index: 0x1000, extents: 0x80000 } as const;

export const features = {
  compatible: 0x3c, // has_journal, ext_attr, resize_inode, dir_index
  incompatible: 0x2c2, // filetype, extents, 64bit, flex_bg
  readOnlyCompatible: 0x46b, // sparse_super, large_file, huge_file, dir_nlink, extra_isize, metadata_csum
} as const;

export function blocksFor(bytes: number): number {
  return Math.ceil(bytes / blockBytes);
}

/** Groups that keep a copy of the superblock and of the group descriptors: 0, 1 and the powers of 3, 5 and 7. */
export function hasSuperblock(group: number): boolean {
  if (group <= 1) return true;
  for (const base of [3, 5, 7]) {
    let power = base;
    while (power < group) power *= base;
    if (power === group) return true;
  }
  return false;
}

/** Writes a number of up to 53 bits as a low half and a high half at two places. */
export function writeSplit(target: Buffer, value: number, lowAt: number, highAt: number): void {
  target.writeUInt32LE(value % 2 ** 32, lowAt);
  target.writeUInt32LE(Math.floor(value / 2 ** 32), highAt);
}
