import { type ByteString, fromBytes, shown } from "./bytes.ts";
import { ChunkReader } from "./chunk-reader.ts";
import type { BodySink, TarEntry, TarEntryKind } from "./entry.ts";
import { blockBytes, type Header, isZeroBlock, parseHeader } from "./header.ts";
import { invalidArchive } from "./invalid.ts";
import { mergeGlobals, type PaxFacts, type PaxRecords, parsePaxRecords, readPaxFacts } from "./pax.ts";
import { readOldSparse, readPaxSparse, type SparseFile } from "./sparse.ts";

/** Long names and extended headers are held in memory; Linux has no use for larger ones. */
const maxSpecialBytes = 1 << 20;

/** Files, hard links, symlinks and folders: what nearly all entries are. */
const plainTypes: ReadonlySet<number> = new Set([0x30, 0x31, 0x32, 0x35]);

const kinds: Readonly<Record<string, TarEntryKind>> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  S: "file",
  "1": "hard-link",
  "2": "symlink",
  "3": "character-device",
  "4": "block-device",
  "5": "folder",
  "6": "fifo",
};

/** What the headers before an entry's own said about it. */
interface Preface {
  readonly pax: PaxRecords;
  readonly path: ByteString | undefined;
  readonly linkTarget: ByteString | undefined;
}

const noPreface: Preface = { pax: [], path: undefined, linkTarget: undefined };

/** What is known of an entry when its headers are read. */
interface AboutEntry {
  readonly header: Header;
  readonly preface: Preface;
  readonly facts: PaxFacts;
  readonly path: ByteString;
  readonly kind: TarEntryKind;
  /** Bytes that the archive has of it. */
  readonly storedBytes: number;
}

/**
 * Reads a tar archive as a stream: ustar, GNU and PAX with their long names, large numbers, sparse files and extended
 * attributes. `next` passes over whatever was not read of the entry before. Every method throws `image-invalid` on an
 * archive that is broken; an end without the two zero blocks is one only in the middle of an entry.
 */
export class TarReader {
  readonly #source: ChunkReader;
  #globals: PaxRecords = [];
  #entry: TarEntry | undefined;
  #bodyLeft = 0;
  #padding = 0;
  #ended = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = new ChunkReader(source);
  }

  /** The next entry, undefined after the last. A promise comes back only when there may be something to wait for. */
  next(): TarEntry | undefined | Promise<TarEntry | undefined> {
    return this.#plainNow() ?? this.#next();
  }

  /** The next entry, if its header is here and no other one belongs to it; else undefined, and nothing is taken. */
  #plainNow(): TarEntry | Promise<TarEntry> | undefined {
    if (this.#ended) return undefined;
    const left = this.#bodyLeft + this.#padding;
    const block = this.#source.peekNow(left, blockBytes);
    if (block === undefined || !plainTypes.has(block[156] ?? 0)) return undefined;
    this.#source.skipNow(left);
    const header = parseHeader(block, this.#source.position);
    this.#source.skipNow(blockBytes);
    return this.#begin(header, noPreface);
  }

  async #next(): Promise<TarEntry | undefined> {
    await this.#passBody();
    let path: ByteString | undefined;
    let linkTarget: ByteString | undefined;
    let pax: PaxRecords = [];
    while (!this.#ended) {
      const position = this.#source.position;
      const block = this.#source.takeNow(blockBytes) ?? (await this.#source.take(blockBytes));
      if (block === undefined || isZeroBlock(block)) {
        this.#ended = true;
        if (block === undefined && position === 0) throw invalidArchive("the archive is empty");
        if (path !== undefined || linkTarget !== undefined || pax.length > 0) {
          throw invalidArchive("the archive ends after a header that announces another entry");
        }
        return undefined;
      }
      const header = parseHeader(block, position);
      switch (header.type) {
        case "x":
        case "X":
          pax = parsePaxRecords(await this.#special(header), position);
          break;
        case "g":
          this.#globals = mergeGlobals(this.#globals, parsePaxRecords(await this.#special(header), position));
          break;
        case "L":
          path = longName(await this.#special(header), position);
          break;
        case "K":
          linkTarget = longName(await this.#special(header), position);
          break;
        case "V": // the archive's own label
          await this.#special(header);
          break;
        default:
          return await this.#begin(header, { pax, path, linkTarget });
      }
    }
    return undefined;
  }

  /**
   * Hands the content of the entry that `next` returned last to `sink`, holes left out. A promise comes back only when there is
   * something to wait for.
   */
  readBody(sink: BodySink): void | Promise<void> {
    if (this.#entry?.sparse !== undefined) return this.#readSlowly(sink);
    if (this.#bodyLeft === 0) return undefined;
    const whole = this.#source.takeNow(this.#bodyLeft);
    if (whole === undefined) return this.#readSlowly(sink);
    this.#bodyLeft = 0;
    return sink(0, whole);
  }

  async #readSlowly(sink: BodySink): Promise<void> {
    const entry = this.#entry;
    const whole = [{ offset: 0, length: this.#bodyLeft }];
    for (const segment of entry?.sparse ?? whole) {
      const end = segment.offset + segment.length;
      for (let offset = segment.offset; offset < end; ) {
        const chunk = this.#source.someNow(end - offset) ?? (await this.#source.some(end - offset));
        if (chunk === undefined) throw this.#truncated();
        this.#bodyLeft -= chunk.length;
        const waiting = sink(offset, chunk);
        if (waiting !== undefined) await waiting;
        offset += chunk.length;
      }
    }
  }

  /** Reads on to the end of the stream, past the archive's own end: a digest of the whole needs every byte. */
  async drain(): Promise<void> {
    await this.#passBody();
    await this.#source.drain();
  }

  /** Tells the source that no more is wanted. Idempotent. */
  async close(): Promise<void> {
    await this.#source.close();
  }

  #begin(header: Header, preface: Preface): TarEntry | Promise<TarEntry> {
    const facts = readPaxFacts(this.#globals, preface.pax);
    const path = facts.path ?? preface.path ?? header.path;
    const kind = kindOf(header, path);
    const storedBytes = kind === "file" ? (facts.sizeBytes ?? header.storedBytes) : 0;
    this.#padding = (blockBytes - (storedBytes % blockBytes)) % blockBytes;
    const about = { header, preface, facts, path, kind, storedBytes };
    if (kind !== "file" || (header.type !== "S" && facts.sparse.length === 0))
      return this.#describe(about, undefined);
    return this.#sparse(about).then((sparse) => this.#describe(about, sparse));
  }

  #describe(about: AboutEntry, sparse: SparseFile | undefined): TarEntry {
    const { header, preface, facts, path, kind, storedBytes } = about;
    this.#bodyLeft = storedBytes - (sparse?.mapBytes ?? 0);
    const finalPath = sparse?.path ?? path;
    if (finalPath === "")
      throw invalidArchive(`an entry without a name ends at byte ${this.#source.position}`);
    this.#entry = {
      path: finalPath,
      kind,
      permissions: header.mode & 0o7777,
      uid: facts.uid ?? header.uid,
      gid: facts.gid ?? header.gid,
      modified: facts.modified ?? { seconds: header.modifiedSeconds, nanoseconds: 0 },
      linkTarget:
        kind === "hard-link" || kind === "symlink"
          ? (facts.linkTarget ?? preface.linkTarget ?? header.linkTarget)
          : "",
      sizeBytes: sparse?.sizeBytes ?? storedBytes,
      sparse: sparse?.segments,
      deviceMajor: header.deviceMajor,
      deviceMinor: header.deviceMinor,
      xattrs: facts.xattrs,
    };
    return this.#entry;
  }

  async #sparse({ header, facts, path, storedBytes }: AboutEntry): Promise<SparseFile | undefined> {
    if (header.type === "S") return await readOldSparse({ ...header, path, storedBytes }, this.#source);
    return await readPaxSparse(facts, path, storedBytes, this.#source);
  }

  /** The data of a header that is about another one. */
  async #special(header: Header): Promise<Buffer> {
    if (header.storedBytes > maxSpecialBytes) {
      throw invalidArchive(
        `an extended header of ${header.storedBytes} bytes stands at byte ${this.#source.position}; the limit is ${maxSpecialBytes}`,
      );
    }
    const padded = Math.ceil(header.storedBytes / blockBytes) * blockBytes;
    const data = padded === 0 ? Buffer.alloc(0) : await this.#source.take(padded);
    if (data === undefined) throw this.#truncated();
    return Buffer.from(data.subarray(0, header.storedBytes));
  }

  async #passBody(): Promise<void> {
    const left = this.#bodyLeft + this.#padding;
    if (left === 0) return;
    if (!this.#source.skipNow(left) && !(await this.#source.skip(left))) throw this.#truncated();
    this.#bodyLeft = 0;
    this.#padding = 0;
  }

  #truncated(): Error {
    const where = this.#entry === undefined ? "its first header" : shown(this.#entry.path);
    return invalidArchive(`the archive ends amid ${where}, at byte ${this.#source.position}`);
  }
}

function kindOf(header: Header, path: ByteString): TarEntryKind {
  // Before there was a type for folders, a slash at the name's end meant one.
  if (header.type === "\0" && path.endsWith("/")) return "folder";
  const kind = kinds[header.type];
  if (kind === undefined) {
    throw invalidArchive(`${shown(path)} is of an unknown type (${shown(header.type)})`);
  }
  return kind;
}

function longName(data: Buffer, position: number): ByteString {
  const end = data.indexOf(0);
  const name = end < 0 ? data : data.subarray(0, end);
  if (name.length === 0) throw invalidArchive(`the long name at byte ${position} is empty`);
  return fromBytes(name);
}
