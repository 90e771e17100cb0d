import { EmberError } from "../../../errors/ember-error.ts";
import type { BlockReader } from "../../disk/block-reader.ts";
import { hasSuperblock } from "../format.ts";
import { superblockBytes, superblockOffset } from "../superblock.ts";

export const incompatible = {
  fileType: 0x2,
  recover: 0x4,
  metaGroups: 0x10,
  is64bit: 0x80,
} as const;

/** filetype, recover, meta_bg, extents, 64bit, mmp, flex_bg, ea_inode, csum_seed, largedir, inline_data, encrypt, casefold */
const understood =
  0x2 | 0x4 | 0x10 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x8000 | 0x10000 | 0x20000;
const hasJournalFeature = 0x4;
const fastCommitFeature = 0x400;
const sparseSuper2Feature = 0x200;
const sparseSuperFeature = 0x1;

/** What a superblock says of a file system, checked to be possible. */
export interface Superblock {
  readonly uuid: string;
  readonly blockBytes: number;
  readonly blocks: number;
  readonly firstDataBlock: number;
  readonly blocksPerGroup: number;
  readonly groups: number;
  readonly inodes: number;
  readonly inodesPerGroup: number;
  readonly inodeBytes: number;
  readonly descriptorBytes: number;
  /** The first block of descriptors that stands in its own meta group; more than there are without such. */
  readonly firstMetaBlock: number;
  readonly hasSuperblockCopy: (group: number) => boolean;
  readonly hasEntryTypes: boolean;
  readonly firstFreeInode: number;
  /** The journal may have newer content than what is in place. */
  readonly needsReplay: boolean;
  /** Unmounted, or frozen. */
  readonly clean: boolean;
  readonly hasFastCommits: boolean;
  /** 0: the file system has no journal of its own. */
  readonly journalInode: number;
}

/** Throws `unsupported` for a disk that is no ext4 file system, or one of an unknown kind; `io-failed` for a broken one. */
export async function readSuperblock(disk: BlockReader): Promise<Superblock> {
  if (disk.sizeBytes < superblockOffset + superblockBytes) throw notExt4(disk);
  const block = await disk.read(superblockOffset, superblockBytes);
  if (block.readUInt16LE(56) !== 0xef53) throw notExt4(disk);
  const features = block.readUInt32LE(96);
  if ((features & ~understood) !== 0) {
    throw new EmberError(
      "unsupported",
      `the file system on '${disk.name}' has features that ember cannot read`,
    );
  }
  const superblock = decode(block, features);
  const problem = problemOf(superblock, disk.sizeBytes);
  if (problem !== undefined) throw damaged(disk, `its superblock is impossible: ${problem}`);
  return superblock;
}

/** The error for a file system that contradicts itself. */
export function damaged({ name }: Pick<BlockReader, "name">, what: string): EmberError {
  return new EmberError("io-failed", `the file system on '${name}' is damaged: ${what}`, {
    hint: "check it with e2fsck in the guest",
  });
}

function notExt4({ name }: BlockReader): EmberError {
  return new EmberError("unsupported", `'${name}' is not an ext4 file system`, {
    hint: "only disks that are one ext4 file system as a whole can be read, without partitions",
  });
}

function decode(block: Buffer, features: number): Superblock {
  const compatible = block.readUInt32LE(92);
  const is64bit = (features & incompatible.is64bit) !== 0;
  const hasJournal = (compatible & hasJournalFeature) !== 0;
  const revision = block.readUInt32LE(76);
  const blockBytes = 1024 * 2 ** Math.min(block.readUInt32LE(24), 20);
  const blocks = block.readUInt32LE(4) + (is64bit ? block.readUInt32LE(336) * 2 ** 32 : 0);
  const firstDataBlock = block.readUInt32LE(20);
  const blocksPerGroup = block.readUInt32LE(32);
  const hasMeta = (features & incompatible.metaGroups) !== 0;
  return {
    uuid: block.toString("hex", 104, 120),
    blockBytes,
    blocks,
    firstDataBlock,
    blocksPerGroup,
    groups: Math.ceil((blocks - firstDataBlock) / blocksPerGroup),
    inodes: block.readUInt32LE(0),
    inodesPerGroup: block.readUInt32LE(40),
    inodeBytes: revision === 0 ? 128 : block.readUInt16LE(88),
    descriptorBytes: is64bit ? block.readUInt16LE(254) : 32,
    firstMetaBlock: hasMeta ? block.readUInt32LE(260) : Number.POSITIVE_INFINITY,
    hasSuperblockCopy: superblockCopies(block, compatible),
    hasEntryTypes: (features & incompatible.fileType) !== 0,
    firstFreeInode: revision === 0 ? 11 : block.readUInt32LE(84),
    needsReplay: (features & incompatible.recover) !== 0,
    clean: (features & incompatible.recover) === 0 && (hasJournal || (block.readUInt16LE(58) & 1) !== 0),
    hasFastCommits: (compatible & fastCommitFeature) !== 0,
    journalInode: !hasJournal ? 0 : block.readUInt32LE(224),
  };
}

function superblockCopies(block: Buffer, compatible: number): (group: number) => boolean {
  if ((compatible & sparseSuper2Feature) !== 0) {
    const backups = [0, block.readUInt32LE(588), block.readUInt32LE(592)];
    return (group) => backups.includes(group);
  }
  if ((block.readUInt32LE(100) & sparseSuperFeature) === 0) return () => true;
  return hasSuperblock;
}

/** What of a superblock cannot be, in words. What passes bounds every number that is calculated from it. */
function problemOf(it: Superblock, diskBytes: number): string | undefined {
  const isPower = (value: number): boolean => value > 0 && Number.isInteger(Math.log2(value));
  if (it.blockBytes > 65_536) return "the size of its blocks";
  if (it.firstDataBlock > 1) return "its first block";
  if (it.blocks <= it.firstDataBlock || it.blocks * it.blockBytes > diskBytes)
    return "it is larger than the disk";
  if (it.blocksPerGroup < 8 || it.blocksPerGroup > 16 * 8 * 65_536 * 1024) return "the size of its groups";
  if (!isPower(it.inodeBytes) || it.inodeBytes < 128 || it.inodeBytes > it.blockBytes)
    return "the size of its inodes";
  if (!isPower(it.descriptorBytes) || it.descriptorBytes < 32 || it.descriptorBytes > 1024)
    return "the size of its group descriptors";
  if (it.inodesPerGroup === 0 || it.inodesPerGroup > it.blockBytes * 8)
    return "the number of inodes in a group";
  if (it.inodes > it.groups * it.inodesPerGroup) return "the number of its inodes";
  return undefined;
}
