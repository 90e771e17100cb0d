import type { Moment } from "../tar/numbers.ts";
import { crc32c, crc32cNumber } from "./crc32c.ts";
import { bodyBytes, inodeBytes } from "./format.ts";

/** All that an inode of 256 bytes says. */
export interface InodeRecord {
  readonly number: number;
  /** Type and permissions. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly links: number;
  readonly modified: Moment;
  /** Blocks in use, those of the extent tree and of attributes included. */
  readonly blocks: number;
  readonly flags: number;
  /** The 60 bytes in the middle: extents, a short symlink's target, a device number. */
  readonly body: Buffer;
  /** The block of extended attributes; 0 for none. */
  readonly xattrBlock: number;
  /** Extended attributes within the inode. */
  readonly inlineXattrs: Buffer | undefined;
}

/** A record that is filled in, perhaps for one inode after the other. */
export type RecordRoom = { -readonly [Field in keyof InodeRecord]: InodeRecord[Field] };

export function newRecord(): RecordRoom {
  return {
    ...{ number: 0, mode: 0, uid: 0, gid: 0, sizeBytes: 0, links: 0, blocks: 0, flags: 0 },
    modified: { seconds: 0, nanoseconds: 0 },
    body: Buffer.alloc(bodyBytes),
    xattrBlock: 0,
    inlineXattrs: undefined,
  };
}

const sectorsPerBlock = 8;
/** 34 bits, counted from the lowest 32-bit time: from 1901 to 2446. */
const earliestSeconds = -(2 ** 31);
const latestSeconds = 2 ** 34 - 2 ** 31 - 1;

/** The checksum seed of all that belongs to one inode; `seed` is that of the file system. Generations are 0. */
export function inodeSeed(seed: number, inode: number): number {
  return crc32cNumber(crc32cNumber(seed, inode), 0);
}

/** Writes an inode over the 256 bytes at `at`, which must be zero. `seed` is the file system's checksum seed. */
export function encodeInode(target: Buffer, at: number, record: InodeRecord, seed: number): void {
  target.writeUInt16LE(record.mode, at);
  target.writeUInt16LE(record.uid & 0xffff, at + 2);
  target.writeUInt32LE(record.sizeBytes % 2 ** 32, at + 4);
  target.writeUInt16LE(record.gid & 0xffff, at + 24);
  target.writeUInt16LE(record.links, at + 26);
  const sectors = record.blocks * sectorsPerBlock;
  target.writeUInt32LE(sectors % 2 ** 32, at + 28);
  target.writeUInt32LE(record.flags, at + 32);
  record.body.copy(target, at + 40);
  target.writeUInt32LE(record.xattrBlock % 2 ** 32, at + 104);
  target.writeUInt32LE(Math.floor(record.sizeBytes / 2 ** 32), at + 108);
  target.writeUInt16LE(Math.floor(sectors / 2 ** 32), at + 116);
  target.writeUInt16LE(Math.floor(record.xattrBlock / 2 ** 32), at + 118);
  target.writeUInt16LE(record.uid >>> 16, at + 120);
  target.writeUInt16LE(record.gid >>> 16, at + 122);
  target.writeUInt16LE(32, at + 128); // how much is used beyond the first 128 bytes
  writeTimes(target, at, record.modified);
  record.inlineXattrs?.copy(target, at + 160);
  const checksum = crc32c(inodeSeed(seed, record.number), target, at, at + inodeBytes);
  target.writeUInt16LE(checksum & 0xffff, at + 124);
  target.writeUInt16LE(checksum >>> 16, at + 130);
}

/** All four times are the one that an archive knows: so the same archive makes the same disk. */
function writeTimes(target: Buffer, at: number, moment: Moment): void {
  const seconds = Math.min(Math.max(moment.seconds, earliestSeconds), latestSeconds);
  const low = seconds | 0;
  const epoch = (seconds - low) / 2 ** 32;
  const extra = moment.nanoseconds * 4 + epoch;
  for (const place of timePlaces) target.writeInt32LE(low, at + place);
  for (const place of extraPlaces) target.writeUInt32LE(extra, at + place);
}

/** Accessed, changed, modified, created. */
const timePlaces = [8, 12, 16, 144] as const;
const extraPlaces = [132, 136, 140, 148] as const;

/** The device number's place in the inode's body, which must be zero: an old and a new form, as Linux has them. */
export function encodeDevice(major: number, minor: number, body: Buffer): Buffer {
  if (major < 256 && minor < 256) body.writeUInt32LE((major << 8) | minor, 0);
  else body.writeUInt32LE(((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0, 4);
  return body;
}
