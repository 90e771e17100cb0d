import { type FileHandle, open } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { type BlockReader, checkRange } from "./block-reader.ts";
import { KeptBuffers } from "./kept-buffers.ts";
import { decompressCluster } from "./qcow2-compressed.ts";
import {
  type Compression,
  compressedPlace,
  entryOffset,
  headerBytes,
  isCompressed,
  isZeroCluster,
  parseHeader,
  type Qcow2Header,
} from "./qcow2-format.ts";
import { openRaw, readAt } from "./raw-disk.ts";

/** Longer chains than QEMU itself could open with the usual limit for open files. */
const maxChain = 500;
const keptTableBytes = 4 * 1024 * 1024;
const keptClusters = 8;

/** A disk in a qcow2 file and in those below it. Throws `io-failed`, `unsupported`. */
export async function openQcow2(path: string, depth = 1): Promise<BlockReader> {
  if (depth > maxChain) throw new EmberError("io-failed", `'${path}' lies on too many files, or on itself`);
  const file = await open(path, "r");
  let backing: BlockReader | undefined;
  try {
    const header = parseHeader(await readAt(file, 0, headerBytes), path);
    const whole = { path, file, fileBytes: (await file.stat()).size };
    const l1 = await readWithin(whole, header.l1.offset, header.l1.entries * 8);
    backing = header.backing === undefined ? undefined : await openBacking(path, header.backing, depth);
    return new Qcow2Disk(whole, header, l1, backing);
  } catch (error) {
    await backing?.[Symbol.asyncDispose]();
    await file.close();
    throw error;
  }
}

async function openBacking(
  path: string,
  { name, format }: NonNullable<Qcow2Header["backing"]>,
  depth: number,
): Promise<BlockReader> {
  // QEMU would take "json:..." and "nbd:..." for what they say; ember only ever names files beside the disk.
  if (name === "" || isAbsolute(name) || name.includes(":") || name.includes("\0")) {
    throw new EmberError("unsupported", `'${path}' lies on something that is not a file of the storage`);
  }
  const target = join(dirname(path), name);
  try {
    if (format === "raw") return await openRaw(target);
    if (format === "qcow2") return await openQcow2(target, depth + 1);
  } catch (error) {
    if (error instanceof EmberError) throw error;
    throw new EmberError("io-failed", `'${path}' lies on a file that cannot be opened`, { cause: error });
  }
  throw new EmberError("unsupported", `'${path}' lies on a file of another format than raw or qcow2`);
}

/** A cluster that is stored compressed. */
interface Packed {
  readonly at: number;
  readonly length: number;
}

/** A run of a disk's bytes that lie together: in the file at `host`, nowhere ("zero"), in the file below, or packed. */
interface Run {
  readonly host: number | "zero" | "below" | Packed;
  readonly length: number;
}

class Qcow2Disk implements BlockReader {
  readonly name: string;
  readonly sizeBytes: number;
  readonly #whole: OpenFile;
  readonly #l1: Buffer;
  readonly #clusterBytes: number;
  readonly #compression: Compression;
  readonly #backing: BlockReader | undefined;
  readonly #tables: KeptBuffers;
  readonly #unpacked = new KeptBuffers(keptClusters);

  constructor(whole: OpenFile, header: Qcow2Header, l1: Buffer, backing: BlockReader | undefined) {
    this.name = whole.path;
    this.sizeBytes = header.sizeBytes;
    this.#whole = whole;
    this.#l1 = l1;
    this.#clusterBytes = header.clusterBytes;
    this.#compression = header.compression;
    this.#backing = backing;
    this.#tables = new KeptBuffers(keptTableBytes / header.clusterBytes);
  }

  async read(offset: number, length: number): Promise<Buffer> {
    checkRange(this, offset, length);
    const parts: Buffer[] = [];
    for (let done = 0; done < length; ) {
      const run = await this.#runAt(offset + done, length - done);
      parts.push(await this.#readRun(run, offset + done));
      done += run.length;
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#backing?.[Symbol.asyncDispose]();
    await this.#whole.file.close();
  }

  /** The run that begins at `offset`, of at most `most` bytes. */
  async #runAt(offset: number, most: number): Promise<Run> {
    const within = offset % this.#clusterBytes;
    const host = await this.#clusterAt(offset - within);
    let length = Math.min(most, this.#clusterBytes - within);
    while (length < most && typeof host !== "object") {
      const next = await this.#clusterAt(offset + length);
      if (next !== (typeof host === "number" ? host + within + length : host)) break;
      length = Math.min(most, length + this.#clusterBytes);
    }
    return { host: typeof host === "number" ? host + within : host, length };
  }

  async #clusterAt(offset: number): Promise<Run["host"]> {
    const perTable = this.#clusterBytes / 8;
    const cluster = offset / this.#clusterBytes;
    const tableAt = entryOffset(this.#l1, Math.floor(cluster / perTable));
    if (tableAt === 0) return "below";
    const table = await this.#tables.get(tableAt, () => this.#readFile(tableAt, this.#clusterBytes));
    const index = cluster % perTable;
    if (isCompressed(table, index)) return compressedPlace(table, index, this.#clusterBytes);
    if (isZeroCluster(table, index)) return "zero";
    const host = entryOffset(table, index);
    return host === 0 ? "below" : host;
  }

  async #readRun({ host, length }: Run, offset: number): Promise<Buffer> {
    if (typeof host === "number") return await this.#readFile(host, length);
    if (typeof host === "object") {
      const within = offset % this.#clusterBytes;
      return (await this.#unpack(host)).subarray(within, within + length);
    }
    const below = host === "below" ? (this.#backing?.sizeBytes ?? 0) - offset : 0;
    if (this.#backing === undefined || below <= 0) return Buffer.alloc(length);
    if (below >= length) return await this.#backing.read(offset, length);
    return Buffer.concat([await this.#backing.read(offset, below)], length); // the rest is zeros
  }

  #unpack({ at, length }: Packed): Promise<Buffer> {
    return this.#unpacked.get(at, async () =>
      decompressCluster(await this.#readFile(at, length), this.#compression, this.#clusterBytes, this.name),
    );
  }

  async #readFile(at: number, length: number): Promise<Buffer> {
    return await readWithin(this.#whole, at, length);
  }
}

interface OpenFile {
  readonly path: string;
  readonly file: FileHandle;
  /** Nobody writes to it while it is read. */
  readonly fileBytes: number;
}

/** QEMU lets the last cluster end early where it wrote no more; but what begins behind the end is no place. */
async function readWithin({ path, file, fileBytes }: OpenFile, at: number, length: number): Promise<Buffer> {
  if (at >= fileBytes) {
    throw new EmberError("io-failed", `'${path}' is damaged: it refers to bytes behind its own end`);
  }
  const bytes = await readAt(file, at, length);
  return bytes.length === length ? bytes : Buffer.concat([bytes], length);
}
