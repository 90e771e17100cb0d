import { EmberError } from "../../errors/ember-error.ts";

/**
 * The qcow2 format, version 3, as far as an empty overlay needs it (QEMU's docs/interop/qcow2.txt). All numbers are
 * big-endian. An empty overlay is seven clusters, most of them holes:
 *
 *     0 header, extensions, backing file name | 1 refcount table | 2 refcount block | 3-6 L1 table, all zero
 *
 * The L1 table is made for the largest disk at once, so that growing is one write of one number.
 */
const clusterBits = 16;
const clusterBytes = 1 << clusterBits;
/** One L1 entry covers an L2 table's worth of clusters: 8192 entries of 8 bytes, 512 MiB. */
const bytesPerL1Entry = clusterBytes * (clusterBytes / 8);
export const largestDiskBytes: number = 16 * 1024 ** 4;
const l1Entries = largestDiskBytes / bytesPerL1Entry;
const l1Cluster = 3;
const totalClusters = l1Cluster + (l1Entries * 8) / clusterBytes;

const magic = 0x514649fb; // "QFI\xfb"
const headerBytes = 104;
const formatExtension = 0xe2792aca; // name of the backing file's format
/** Where the disk's size lies: 8 bytes within one sector, so that changing it is one step. */
export const sizeOffset = 24;

export interface Backing {
  /** Path relative to the overlay's own folder, at most 1023 bytes. */
  readonly name: string;
  readonly format: "raw" | "qcow2";
}

export interface Piece {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** An empty overlay of `sizeBytes` over `backing`: what to write where, and how long the file is. The rest is holes. */
export function emptyOverlay(
  sizeBytes: number,
  backing: Backing,
): { pieces: readonly Piece[]; fileBytes: number } {
  const refcountTable = Buffer.alloc(8);
  refcountTable.writeBigUInt64BE(BigInt(2 * clusterBytes));
  const refcounts = Buffer.alloc(2 * totalClusters);
  for (let cluster = 0; cluster < totalClusters; cluster += 1) refcounts.writeUInt16BE(1, 2 * cluster);
  return {
    pieces: [
      { offset: 0, bytes: header(sizeBytes, backing) },
      { offset: clusterBytes, bytes: refcountTable },
      { offset: 2 * clusterBytes, bytes: refcounts },
    ],
    fileBytes: totalClusters * clusterBytes,
  };
}

function header(sizeBytes: number, backing: Backing): Buffer {
  const name = Buffer.from(backing.name);
  const format = Buffer.from(backing.format);
  const nameOffset = headerBytes + 8 + 8 + 8; // header, one extension of up to 8 bytes, end of extensions
  if (name.length > 1023) throw new EmberError("internal", "a backing file's name is too long for qcow2");
  const bytes = Buffer.alloc(nameOffset + name.length);
  bytes.writeUInt32BE(magic, 0);
  bytes.writeUInt32BE(3, 4); // version
  bytes.writeBigUInt64BE(BigInt(nameOffset), 8);
  bytes.writeUInt32BE(name.length, 16);
  bytes.writeUInt32BE(clusterBits, 20);
  bytes.writeBigUInt64BE(BigInt(sizeBytes), sizeOffset);
  bytes.writeUInt32BE(l1Entries, 36);
  bytes.writeBigUInt64BE(BigInt(l1Cluster * clusterBytes), 40);
  bytes.writeBigUInt64BE(BigInt(clusterBytes), 48); // refcount table
  bytes.writeUInt32BE(1, 56); // its clusters
  bytes.writeUInt32BE(4, 96); // refcounts of 1 << 4 bits
  bytes.writeUInt32BE(headerBytes, 100);
  bytes.writeUInt32BE(formatExtension, headerBytes);
  bytes.writeUInt32BE(format.length, headerBytes + 4);
  format.copy(bytes, headerBytes + 8);
  name.copy(bytes, nameOffset);
  return bytes;
}

export interface OverlayHeader {
  readonly sizeBytes: number;
  /** As the file has it: unchecked. */
  readonly backingName: string;
  readonly l1: { readonly offset: number; readonly entries: number };
  readonly snapshots: number;
}

/** How much of a file's start `parseHeader` needs. */
export const headerReadBytes = 4096;

/** Throws `io-failed` when `start`, the first bytes of a file, is not the header of an overlay as ember makes them. */
export function parseHeader(start: Buffer, path: string): OverlayHeader {
  const broken = (why: string): EmberError =>
    new EmberError("io-failed", `'${path}' is not a disk of ember's: ${why}`);
  if (start.length < headerBytes || start.readUInt32BE(0) !== magic) throw broken("not in qcow2 format");
  if (start.readUInt32BE(4) !== 3 || start.readUInt32BE(20) !== clusterBits)
    throw broken("another kind of qcow2");
  const nameOffset = Number(start.readBigUInt64BE(8));
  const nameBytes = start.readUInt32BE(16);
  if (nameOffset < headerBytes || nameOffset + nameBytes > start.length) throw broken("no backing file");
  const sizeBytes = Number(start.readBigUInt64BE(sizeOffset));
  const entries = start.readUInt32BE(36);
  if (sizeBytes > largestDiskBytes || entries * bytesPerL1Entry < sizeBytes || entries > l1Entries) {
    throw broken("its size is out of range");
  }
  return {
    sizeBytes,
    backingName: start.subarray(nameOffset, nameOffset + nameBytes).toString("utf8"),
    l1: { offset: Number(start.readBigUInt64BE(40)), entries },
    snapshots: start.readUInt32BE(60),
  };
}
