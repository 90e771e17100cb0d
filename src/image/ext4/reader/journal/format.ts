import { crc32c } from "../../crc32c.ts";

// The journal (jbd2) as the kernel writes it, all numbers big-endian: Documentation/filesystems/ext4/journal.rst.

const magic = 0xc03b3998;
export const blockTypes = { descriptor: 1, commit: 2, superblockV1: 3, superblockV2: 4, revoke: 5 } as const;
const features = {
  is64bit: 0x2,
  asyncCommit: 0x4,
  checksumV2: 0x8,
  checksumV3: 0x10,
  fastCommit: 0x20,
} as const;
const understood = 0x1f; // those, but for fast commits, and revoke blocks
const tagFlags = { escaped: 1, sameUuid: 2, deleted: 4, last: 8 } as const;
const headerBytes = 12;
const tailBytes = 4;

export interface JournalSuperblock {
  readonly blockBytes: number;
  /** One behind the last block of the log. */
  readonly end: number;
  readonly first: number;
  /** Where the oldest transaction begins; 0: nothing is in the log. */
  readonly start: number;
  readonly sequence: number;
  readonly is64bit: boolean;
  readonly checksums: "none" | "v2" | "v3";
  /** Commits may be there before what they commit; only checksums of blocks tell. */
  readonly asyncCommit: boolean;
  /** What checksums begin with. */
  readonly seed: number;
}

/** Undefined for what is none, "unknown" for one with features that this does not know. */
export function parseJournalSuperblock(block: Buffer): JournalSuperblock | "unknown" | undefined {
  const header = headerOf(block);
  if (header?.type !== blockTypes.superblockV1 && header?.type !== blockTypes.superblockV2) return undefined;
  const incompatible = header.type === blockTypes.superblockV2 ? block.readUInt32BE(40) : 0;
  if ((incompatible & ~understood) !== 0) return "unknown";
  const has = (feature: number): boolean => (incompatible & feature) !== 0;
  return {
    blockBytes: block.readUInt32BE(12),
    end: block.readUInt32BE(16),
    first: block.readUInt32BE(20),
    sequence: block.readUInt32BE(24),
    start: block.readUInt32BE(28),
    is64bit: has(features.is64bit),
    checksums: has(features.checksumV3) ? "v3" : has(features.checksumV2) ? "v2" : "none",
    asyncCommit: has(features.asyncCommit),
    seed: crc32c(0xffffffff, block, 48, 64),
  };
}

/** Of a block that belongs to the journal itself; undefined for any other. */
export function headerOf(block: Buffer): { readonly type: number; readonly sequence: number } | undefined {
  if (block.readUInt32BE(0) !== magic) return undefined;
  return { type: block.readUInt32BE(4), sequence: block.readUInt32BE(8) };
}

/** What a descriptor says of one of the blocks that follow it. */
export interface Tag {
  /** Where the block belongs. */
  readonly target: number;
  /** It began with the journal's magic number, which was taken out. */
  readonly escaped: boolean;
  readonly deleted: boolean;
  readonly checksum: number;
}

/** Undefined when it cannot be read. */
export function parseTags(journal: JournalSuperblock, block: Buffer): Tag[] | undefined {
  const { checksums, is64bit } = journal;
  const isV3 = checksums === "v3";
  const tagBytes = isV3 ? 16 : (is64bit ? 12 : 8) + (checksums === "v2" ? 2 : 0);
  const end = block.length - (checksums === "none" ? 0 : tailBytes);
  const tags: Tag[] = [];
  for (let at = headerBytes; at + tagBytes <= end; ) {
    const flags = isV3 ? block.readUInt32BE(at + 4) : block.readUInt16BE(at + 6);
    const high = is64bit ? block.readUInt32BE(at + 8) : 0;
    tags.push({
      target: high * 2 ** 32 + block.readUInt32BE(at),
      escaped: (flags & tagFlags.escaped) !== 0,
      deleted: (flags & tagFlags.deleted) !== 0,
      checksum: isV3 ? block.readUInt32BE(at + 12) : block.readUInt16BE(at + 4),
    });
    if ((flags & tagFlags.last) !== 0) return tags;
    at += tagBytes + ((flags & tagFlags.sameUuid) === 0 ? 16 : 0);
  }
  return tags.length === 0 ? undefined : tags;
}

/** The blocks that a revoke block tells to leave alone. Undefined when it cannot be read. */
export function parseRevoked(journal: JournalSuperblock, block: Buffer): number[] | undefined {
  const used = block.readUInt32BE(headerBytes);
  const size = journal.is64bit ? 8 : 4;
  if (used > block.length - (journal.checksums === "none" ? 0 : tailBytes)) return undefined;
  const revoked: number[] = [];
  for (let at = headerBytes + 4; at + size <= used; at += size) {
    revoked.push(
      journal.is64bit
        ? block.readUInt32BE(at) * 2 ** 32 + block.readUInt32BE(at + 4)
        : block.readUInt32BE(at),
    );
  }
  return revoked;
}

/** Whether a descriptor or revoke block is as it was written. */
export function hasValidTail(journal: JournalSuperblock, block: Buffer): boolean {
  if (journal.checksums === "none") return true;
  const at = block.length - tailBytes;
  return crc32c(crc32c(journal.seed, block, 0, at), Buffer.alloc(tailBytes)) === block.readUInt32BE(at);
}

export function isValidCommit(journal: JournalSuperblock, block: Buffer): boolean {
  if (journal.checksums === "none") return true;
  const blank = Buffer.from(block);
  blank.writeUInt32BE(0, 16);
  return crc32c(journal.seed, blank) === block.readUInt32BE(16);
}

/** Whether a block in the log is what its tag says. `content` is as it stands there. */
export function isValidContent(
  journal: JournalSuperblock,
  sequence: number,
  tag: Tag,
  content: Buffer,
): boolean {
  if (journal.checksums === "none") return true;
  const number = Buffer.alloc(4);
  number.writeUInt32BE(sequence);
  const sum = crc32c(crc32c(journal.seed, number), content);
  return (journal.checksums === "v3" ? sum : sum & 0xffff) === tag.checksum;
}

/** Puts back what `escaped` says was taken out. */
export function restoreMagic(content: Buffer): Buffer {
  const result = Buffer.from(content);
  result.writeUInt32BE(magic, 0);
  return result;
}

/** Sequence numbers start over after 2 ** 32. */
export function isAfter(one: number, other: number): boolean {
  return ((one - other) | 0) > 0;
}
