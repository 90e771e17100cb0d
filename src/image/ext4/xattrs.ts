import { type ByteString, shown, toBytes } from "../tar/bytes.ts";
import { invalidArchive } from "../tar/invalid.ts";
import { convertAcl } from "./acl.ts";
import { crc32c } from "./crc32c.ts";
import { blockBytes } from "./format.ts";
import type { Attributes, Inode } from "./inode.ts";

const magic = 0xea020000;
/** What an inode of 256 bytes has left for attributes behind its own fields, the magic number included. */
export const inlineBytes = 96;
const blockHeaderBytes = 32;
const entryHeaderBytes = 16;

const prefixes: readonly (readonly [prefix: string, index: number])[] = [
  ["user.", 1],
  ["trusted.", 4],
  ["security.", 6],
];
const aclNames = { "system.posix_acl_access": 2, "system.posix_acl_default": 3 } as const;

/** An extended attribute in ext4's own terms. */
export interface StoredXattr {
  readonly prefixIndex: number;
  readonly name: Buffer;
  readonly value: Buffer;
}

/**
 * An inode's extended attributes as ext4 stores them, and the attributes changed to what an access control list makes
 * of the mode. Attributes that Linux would not let the inode have (`user.` on a symlink, name spaces of other systems)
 * are left out. Throws `image-invalid` for a malformed list; `path` is for the message.
 */
export function storedXattrs(
  attributes: Attributes,
  kind: Inode["kind"],
  path: () => ByteString,
): { readonly stored: readonly StoredXattr[]; readonly permissions: number } {
  const stored: StoredXattr[] = [];
  let permissions = attributes.permissions;
  for (const [name, value] of attributes.xattrs) {
    if (name === "system.posix_acl_access" || name === "system.posix_acl_default") {
      if (kind === "symlink" || (name === "system.posix_acl_default" && kind !== "folder")) continue;
      if (value.length === 0) continue;
      const acl = convertAcl(value);
      if (acl === undefined) throw invalidArchive(`${shown(path())} has a malformed access control list`);
      if (name === "system.posix_acl_access") permissions = (permissions & 0o7000) | acl.permissions;
      // A default list is kept whole even if it is minimal.
      const kept = acl.value ?? (name === "system.posix_acl_default" ? minimalDefault(value) : undefined);
      if (kept !== undefined)
        stored.push({ prefixIndex: aclNames[name], name: Buffer.alloc(0), value: kept });
      continue;
    }
    const prefix = prefixes.find(([text]) => name.startsWith(text) && name.length > text.length);
    if (prefix === undefined) continue;
    if (prefix[0] === "user." && kind !== "file" && kind !== "folder") continue;
    if (name.length > 255 || name.includes("\0")) {
      throw invalidArchive(`${shown(path())} has an extended attribute with an impossible name`);
    }
    stored.push({ prefixIndex: prefix[1], name: toBytes(name.slice(prefix[0].length)), value });
  }
  stored.sort(compareStored);
  return { stored, permissions };
}

/** Throws `image-invalid` when ext4 could not hold an inode's extended attributes. */
export function checkXattrs(attributes: Attributes, kind: Inode["kind"], path: ByteString): void {
  if (attributes.xattrs.size === 0) return;
  packXattrs(storedXattrs(attributes, kind, () => path).stored, () => path);
}

function minimalDefault(posix: Buffer): Buffer {
  const parts: Buffer[] = [Buffer.of(1, 0, 0, 0)];
  for (let at = 4; at < posix.length; at += 8) parts.push(posix.subarray(at, at + 4));
  return Buffer.concat(parts);
}

/** The order that the kernel keeps in attribute blocks. */
function compareStored(a: StoredXattr, b: StoredXattr): number {
  return a.prefixIndex - b.prefixIndex || a.name.length - b.name.length || a.name.compare(b.name);
}

export interface PackedXattrs {
  /** What goes into the inode; undefined for none. */
  readonly inline: Buffer | undefined;
  /** What goes into a block of its own, but for the checksum, which needs the block's number; undefined for none. */
  readonly block: Buffer | undefined;
}

/** Divides attributes between the inode and a block. Throws `image-invalid` when they do not fit; `path` is for the message. */
export function packXattrs(stored: readonly StoredXattr[], path: () => ByteString): PackedXattrs {
  if (stored.length === 0) return { inline: undefined, block: undefined };
  const within: StoredXattr[] = [];
  const outside: StoredXattr[] = [];
  let room = inlineBytes - 4 - 4; // less the magic number, and the zeros that end the entries
  for (const xattr of stored) {
    const bytes = storedBytes(xattr);
    if (bytes <= room) {
      within.push(xattr);
      room -= bytes;
    } else outside.push(xattr);
  }
  const outsideBytes = outside.reduce((sum, xattr) => sum + storedBytes(xattr), 0);
  if (outsideBytes > blockBytes - blockHeaderBytes - 4) {
    throw invalidArchive(`the extended attributes of ${shown(path())} are larger than ext4 can hold`);
  }
  return {
    inline: within.length === 0 ? undefined : encodeInline(within),
    block: outside.length === 0 ? undefined : encodeBlock(outside),
  };
}

/** Puts the checksum into an attribute block that is to stand at `position`. */
export function sealXattrBlock(block: Buffer, position: number, seed: number): void {
  const number = Buffer.alloc(8);
  number.writeBigUInt64LE(BigInt(position));
  block.writeUInt32LE(0, 16);
  block.writeUInt32LE(crc32c(crc32c(seed, number), block), 16);
}

function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}

function storedBytes(xattr: StoredXattr): number {
  return entryHeaderBytes + padded(xattr.name.length) + padded(xattr.value.length);
}

function encodeInline(xattrs: readonly StoredXattr[]): Buffer {
  const target = Buffer.alloc(inlineBytes);
  target.writeUInt32LE(magic, 0);
  writeEntries(target, xattrs, 4, 4, false);
  return target;
}

function encodeBlock(xattrs: readonly StoredXattr[]): Buffer {
  const block = Buffer.alloc(blockBytes);
  block.writeUInt32LE(magic, 0);
  block.writeUInt32LE(1, 4); // references
  block.writeUInt32LE(1, 8); // blocks
  const hashes = writeEntries(block, xattrs, blockHeaderBytes, 0, true);
  let hash = 0;
  for (const entry of hashes) hash = ((hash << 16) ^ (hash >>> 16) ^ entry) >>> 0;
  block.writeUInt32LE(hash, 12);
  return block;
}

/** Entries grow from `start` up, values from the end down; offsets of values count from `base`. Returns the hashes. */
function writeEntries(
  target: Buffer,
  xattrs: readonly StoredXattr[],
  start: number,
  base: number,
  withHashes: boolean,
): number[] {
  let at = start;
  let valueEnd = target.length;
  return xattrs.map(({ prefixIndex, name, value }) => {
    valueEnd -= padded(value.length);
    value.copy(target, valueEnd);
    target.writeUInt8(name.length, at);
    target.writeUInt8(prefixIndex, at + 1);
    target.writeUInt16LE(value.length === 0 ? 0 : valueEnd - base, at + 2);
    target.writeUInt32LE(value.length, at + 8);
    const hash = withHashes ? entryHash(name, target, valueEnd, padded(value.length)) : 0;
    target.writeUInt32LE(hash, at + 12);
    name.copy(target, at + entryHeaderBytes);
    at += entryHeaderBytes + padded(name.length);
    return hash;
  });
}

function entryHash(name: Buffer, target: Buffer, valueAt: number, valueBytes: number): number {
  let hash = 0;
  for (const byte of name) hash = ((hash << 5) ^ (hash >>> 27) ^ byte) >>> 0;
  for (let at = valueAt; at < valueAt + valueBytes; at += 4) {
    hash = ((hash << 16) ^ (hash >>> 16) ^ target.readUInt32LE(at)) >>> 0;
  }
  return hash;
}
