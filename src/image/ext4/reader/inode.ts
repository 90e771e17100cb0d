import type { FileChange } from "../../../types.ts";
import { type Ext4Disk, readBlock } from "./disk.ts";
import { damaged, type Superblock } from "./superblock.ts";

export const flags = {
  encrypted: 0x800,
  extents: 0x80000,
  attributeValue: 0x200000,
  inlineData: 0x10000000,
} as const;

/** Where the block map, the extent tree, a short target, a device's number or inline data stand. */
const bodyAt = 40;
const bodyBytes = 60;

const kinds: Readonly<Record<number, FileChange["type"]>> = {
  1: "fifo",
  2: "device",
  4: "directory",
  6: "device",
  8: "file",
  10: "symlink",
  12: "socket",
};

export interface Ext4Inode {
  readonly number: number;
  readonly kind: FileChange["type"];
  /** Type and permissions, as stat(2) gives them. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly links: number;
  readonly flags: number;
  /** The block that holds further attributes; 0: none. */
  readonly attributeBlock: number;
  /** When content and inode changed last, to the nanosecond, to be compared alone; undefined where only seconds are kept. */
  readonly stamp: string | undefined;
  readonly body: Buffer;
  /** Tells inodes apart that had the same number one after the other. */
  readonly generation: number;
  /** What follows the inode's own fields. */
  readonly extra: Buffer;
}

/** Throws `io-failed` for one that is free, or of no known kind. */
export async function readInode(disk: Ext4Disk, number: number): Promise<Ext4Inode> {
  const { inodes, inodesPerGroup, inodeBytes, blockBytes } = disk.superblock;
  if (number < 1 || number > inodes) throw damaged(disk.data, `there is no inode ${number}`);
  const group = Math.floor((number - 1) / inodesPerGroup);
  const table = await inodeTable(disk, group);
  const within = ((number - 1) % inodesPerGroup) * inodeBytes;
  const block = await readBlock(disk, table + Math.floor(within / blockBytes));
  const raw = Buffer.from(block.subarray(within % blockBytes, (within % blockBytes) + inodeBytes));
  return decode(disk, number, raw);
}

async function inodeTable(disk: Ext4Disk, group: number): Promise<number> {
  const { superblock } = disk;
  const perBlock = superblock.blockBytes / superblock.descriptorBytes;
  const block = await readBlock(disk, descriptorBlock(superblock, Math.floor(group / perBlock), perBlock));
  const at = (group % perBlock) * superblock.descriptorBytes;
  const high = superblock.descriptorBytes >= 64 ? block.readUInt32LE(at + 40) : 0;
  const table = block.readUInt32LE(at + 8) + high * 2 ** 32;
  if (table === 0) throw damaged(disk.data, `group ${group} has no inodes`);
  return table;
}

/** Where the `index`th block of group descriptors stands. */
function descriptorBlock(superblock: Superblock, index: number, perBlock: number): number {
  const { firstDataBlock, blocksPerGroup, blockBytes } = superblock;
  const superblockAt = blockBytes === 1024 ? 1 : 0;
  if (index < superblock.firstMetaBlock) return superblockAt + 1 + index;
  const group = index * perBlock;
  // Where groups begin at block 0 and the superblock is block 1, the first group has both before its descriptors.
  const shifted = index === 0 && superblockAt > firstDataBlock ? 1 : 0;
  return firstDataBlock + group * blocksPerGroup + (superblock.hasSuperblockCopy(group) ? 1 : 0) + shifted;
}

function decode(disk: Ext4Disk, number: number, raw: Buffer): Ext4Inode {
  const mode = raw.readUInt16LE(0);
  const kind = kinds[mode >> 12];
  const links = raw.readUInt16LE(26);
  if (kind === undefined || links === 0) throw damaged(disk.data, `inode ${number} is not in use`);
  const extraBytes = raw.length > 128 ? raw.readUInt16LE(128) : 0;
  if (extraBytes % 4 !== 0 || 128 + extraBytes > raw.length)
    throw damaged(disk.data, `inode ${number} has an impossible size`);
  const sizeBytes =
    raw.readUInt32LE(4) + (kind === "file" || kind === "directory" ? raw.readUInt32LE(108) : 0) * 2 ** 32;
  if (!Number.isSafeInteger(sizeBytes)) throw damaged(disk.data, `inode ${number} is too large`);
  return {
    number,
    kind,
    mode,
    uid: raw.readUInt16LE(2) + raw.readUInt16LE(120) * 65_536,
    gid: raw.readUInt16LE(24) + raw.readUInt16LE(122) * 65_536,
    sizeBytes,
    links,
    flags: raw.readUInt32LE(32),
    attributeBlock: raw.readUInt32LE(104) + raw.readUInt16LE(118) * 2 ** 32,
    stamp:
      extraBytes >= 12 ? `${raw.toString("latin1", 12, 20)}${raw.toString("latin1", 132, 140)}` : undefined,
    body: raw.subarray(bodyAt, bodyAt + bodyBytes),
    generation: raw.readUInt32LE(100),
    extra: raw.length > 128 ? raw.subarray(128 + extraBytes) : Buffer.alloc(0),
  };
}

export function hasFlag(inode: Ext4Inode, flag: number): boolean {
  return (inode.flags & flag) !== 0;
}

/** A device's kind and number, to be compared. */
export function deviceOf({ mode, body }: Ext4Inode): string {
  return `${mode >> 12} ${body.readUInt32LE(0)} ${body.readUInt32LE(0) === 0 ? body.readUInt32LE(4) : 0}`;
}
