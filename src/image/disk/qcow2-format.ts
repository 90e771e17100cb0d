import { EmberError } from "../../errors/ember-error.ts";

// The qcow2 format as QEMU writes it (docs/interop/qcow2.txt), as far as reading a disk needs it. Big-endian.

const magic = 0x514649fb; // "QFI\xfb"
const formatExtension = 0xe2792aca; // name of the backing file's format
const shortestHeader = 72;
/** Features that change nothing for a reader: bit 0 says that reference counts may be wrong. */
const harmlessFeatures = 0x1;
/** Bit 3: byte 104 says how clusters are compressed. */
const compressionFeature = 0x8;
const compressions: Readonly<Record<number, Compression>> = { 0: "deflate", 1: "zstd" };
const maxL1Bytes = 32 * 1024 * 1024; // QEMU's own limit

export type Compression = "deflate" | "zstd";

export interface Qcow2Header {
  readonly sizeBytes: number;
  readonly clusterBytes: number;
  readonly l1: { readonly offset: number; readonly entries: number };
  readonly compression: Compression;
  readonly backing: { readonly name: string; readonly format: string | undefined } | undefined;
}

/** How much of a file's start `parseHeader` takes; the header must be within. */
export const headerBytes = 65_536;

/** Throws `io-failed` for what is no qcow2 file or a broken one, `unsupported` for kinds that ember never makes. */
export function parseHeader(start: Buffer, path: string): Qcow2Header {
  const broken = (why: string): EmberError => new EmberError("io-failed", `'${path}' is damaged: ${why}`);
  const foreign = (what: string): EmberError =>
    new EmberError("unsupported", `'${path}' cannot be read: ${what}`);
  if (start.length < shortestHeader || start.readUInt32BE(0) !== magic) throw broken("not in qcow2 format");
  const version = start.readUInt32BE(4);
  if (version !== 2 && version !== 3) throw foreign(`qcow2 version ${version}`);
  if (version === 3 && start.length < 104) throw broken("its header is cut off");
  const clusterBits = start.readUInt32BE(20);
  if (clusterBits < 9 || clusterBits > 21) throw broken("its clusters have an impossible size");
  if (start.readUInt32BE(32) !== 0) throw foreign("it is encrypted");
  const understood = harmlessFeatures | compressionFeature;
  const unknown =
    version === 3 && (start.readUInt32BE(72) !== 0 || (start.readUInt32BE(76) & ~understood) !== 0);
  if (unknown) throw foreign("it is marked as corrupt, or uses features that ember does not");
  const compression = readCompression(start, version);
  if (compression === undefined) throw foreign("it is compressed in a way that is not known here");
  const clusterBytes = 2 ** clusterBits;
  const sizeBytes = readOffset(start, 24);
  const l1 = { entries: start.readUInt32BE(36), offset: readOffset(start, 40) };
  const needed = Math.ceil(sizeBytes / (clusterBytes * (clusterBytes / 8)));
  if (l1.entries < needed || l1.entries * 8 > maxL1Bytes) throw broken("its size is out of range");
  return { sizeBytes, clusterBytes, l1, compression, backing: readBacking(start, version, broken) };
}

function readCompression(start: Buffer, version: number): Compression | undefined {
  if (version === 2 || (start.readUInt32BE(76) & compressionFeature) === 0) return "deflate";
  return start.readUInt32BE(100) > 104 ? compressions[start[104] ?? 0] : undefined;
}

function readBacking(
  start: Buffer,
  version: number,
  broken: (why: string) => EmberError,
): Qcow2Header["backing"] {
  const nameAt = readOffset(start, 8);
  const nameBytes = start.readUInt32BE(16);
  if (nameAt === 0) return undefined;
  if (nameBytes > 1023 || nameAt + nameBytes > start.length)
    throw broken("its backing file's name is out of range");
  const name = start.toString("utf8", nameAt, nameAt + nameBytes);
  let at = version === 3 ? start.readUInt32BE(100) : shortestHeader;
  while (at + 8 <= Math.min(nameAt, start.length)) {
    const type = start.readUInt32BE(at);
    const length = start.readUInt32BE(at + 4);
    if (type === 0) break;
    if (at + 8 + length > start.length) throw broken("a header extension is out of range");
    if (type === formatExtension) return { name, format: start.toString("utf8", at + 8, at + 8 + length) };
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return { name, format: undefined };
}

/** A number of 64 bits; what a number here cannot hold exactly is out of every range anyway. */
export function readOffset(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}

/** Bits 9 to 55 of a table entry: where in the file it points. 0: nowhere. */
export function entryOffset(table: Buffer, index: number): number {
  const low = table.readUInt32BE(index * 8 + 4);
  return (table.readUInt32BE(index * 8) & 0xffffff) * 2 ** 32 + (low - (low % 512));
}

export function isCompressed(table: Buffer, index: number): boolean {
  return (table.readUInt32BE(index * 8) & 0x40000000) !== 0;
}

/** Where the data of a compressed cluster may lie: it ends by itself, somewhere before `length`. */
export function compressedPlace(
  table: Buffer,
  index: number,
  clusterBytes: number,
): { readonly at: number; readonly length: number } {
  const entry = table.readBigUInt64BE(index * 8);
  const placeBits = BigInt(62 - (Math.log2(clusterBytes) - 8));
  const at = Number(BigInt.asUintN(Number(placeBits), entry));
  const sectors = Number(BigInt.asUintN(62, entry) >> placeBits) + 1;
  return { at, length: sectors * 512 - (at % 512) };
}

/** All zeros, whatever it points to and whatever lies below. */
export function isZeroCluster(table: Buffer, index: number): boolean {
  return (table.readUInt32BE(index * 8 + 4) & 1) !== 0;
}
