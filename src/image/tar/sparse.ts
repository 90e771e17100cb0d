import type { ByteString } from "./bytes.ts";
import { shown } from "./bytes.ts";
import type { ChunkReader } from "./chunk-reader.ts";
import type { SparseSegment } from "./entry.ts";
import { blockBytes, type Header } from "./header.ts";
import { invalidArchive } from "./invalid.ts";
import { parseDecimal, parseNumber } from "./numbers.ts";
import type { PaxFacts } from "./pax.ts";

/** More parts than this in one file is no honest map; it would only cost memory. */
const maxSegments = 1 << 18;

export interface SparseFile {
  /** The file's length, holes included. */
  readonly sizeBytes: number;
  readonly segments: readonly SparseSegment[];
  /** How many bytes of the entry's data the map itself took (format 1.0). */
  readonly mapBytes: number;
  /** The file's name where the format hides it from readers that do not know it. */
  readonly path: ByteString | undefined;
}

/** GNU's old format: four segments in the header, more in blocks that follow it, which are read from `source`. */
export async function readOldSparse(header: Header, source: ChunkReader): Promise<SparseFile> {
  const malformed = () => invalidArchive(`the sparse map of ${shown(header.path)} is malformed`);
  const numbers: number[] = [];
  const collect = (block: Buffer, start: number, count: number): void => {
    for (let at = start; at < start + count * 24; at += 24) {
      if (block[at] === 0) return;
      const offset = parseNumber(block, at, 12);
      const length = parseNumber(block, at + 12, 12);
      if (offset === undefined || length === undefined) throw malformed();
      numbers.push(offset, length);
    }
  };
  const first = header.block;
  if (first === undefined) throw malformed();
  const sizeBytes = parseNumber(first, 483, 12);
  if (sizeBytes === undefined) throw malformed();
  collect(first, 386, 4);
  for (let more = first[482] !== 0; more; ) {
    const block = await source.take(blockBytes);
    if (block === undefined || numbers.length > 2 * maxSegments) throw malformed();
    collect(block, 0, 21);
    more = block[504] !== 0;
  }
  return {
    sizeBytes,
    segments: checkMap(numbers, sizeBytes, header.storedBytes, header.path),
    mapBytes: 0,
    path: undefined,
  };
}

/** The sparse formats that stand in PAX records (0.0, 0.1) or before the data (1.0). Undefined for other files. */
export async function readPaxSparse(
  facts: PaxFacts,
  path: ByteString,
  storedBytes: number,
  source: ChunkReader,
): Promise<SparseFile | undefined> {
  if (facts.sparse.length === 0) return undefined;
  const last = new Map(facts.sparse);
  const name = last.get("name") ?? path;
  const malformed = () => invalidArchive(`the sparse map of ${shown(name)} is malformed`);
  const number = (text: string | undefined): number => {
    const value = text === undefined ? undefined : parseDecimal(text);
    if (value === undefined) throw malformed();
    return value;
  };
  if (name === "" || name.includes("\0")) throw malformed();
  const major = last.get("major");
  if (major !== undefined && (major !== "1" || last.get("minor") !== "0")) throw malformed();
  const sizeBytes = number(last.get("realsize") ?? last.get("size"));
  let numbers: number[];
  let mapBytes = 0;
  if (major === "1") {
    ({ numbers, mapBytes } = await readMapBeforeData(storedBytes, source, malformed));
  } else {
    const map = last.get("map");
    const pairs = facts.sparse.filter(([key]) => key === "offset" || key === "numbytes");
    if (map === undefined && pairs.some(([key], at) => key !== (at % 2 === 0 ? "offset" : "numbytes")))
      throw malformed();
    const texts = map === undefined ? pairs.map(([, value]) => value) : map === "" ? [] : map.split(",");
    numbers = texts.map(number);
    if (numbers.length !== 2 * number(last.get("numblocks") ?? String(numbers.length / 2))) throw malformed();
  }
  const segments = checkMap(numbers, sizeBytes, storedBytes - mapBytes, name);
  return { sizeBytes, segments, mapBytes, path: last.get("name") };
}

/** Format 1.0: decimal numbers, each on a line, the count first, filled up to whole blocks. */
async function readMapBeforeData(
  storedBytes: number,
  source: ChunkReader,
  malformed: () => Error,
): Promise<{ numbers: number[]; mapBytes: number }> {
  const numbers: number[] = [];
  let digits = "";
  let mapBytes = 0;
  for (;;) {
    if (mapBytes + blockBytes > storedBytes) throw malformed();
    const block = await source.take(blockBytes);
    if (block === undefined) throw malformed();
    mapBytes += blockBytes;
    for (const byte of block) {
      if (byte !== 0x0a) {
        digits += String.fromCharCode(byte);
        if (digits.length > 20) throw malformed();
        continue;
      }
      const value = parseDecimal(digits);
      if (value === undefined || (numbers.length === 0 && value > maxSegments)) throw malformed();
      numbers.push(value);
      digits = "";
      if (numbers.length === 1 + 2 * (numbers[0] ?? 0)) return { numbers: numbers.slice(1), mapBytes };
    }
  }
}

/** The map must be ascending, within the file, and account for every stored byte. Empty parts are left out. */
function checkMap(
  numbers: readonly number[],
  sizeBytes: number,
  storedBytes: number,
  path: ByteString,
): SparseSegment[] {
  const segments: SparseSegment[] = [];
  let end = 0;
  let total = 0;
  for (let at = 0; at + 1 < numbers.length; at += 2) {
    const offset = numbers[at] ?? 0;
    const length = numbers[at + 1] ?? 0;
    if (offset < end || length < 0 || offset + length > sizeBytes) {
      throw invalidArchive(`the sparse map of ${shown(path)} is out of order or out of range`);
    }
    end = offset + length;
    total += length;
    if (length > 0) segments.push({ offset, length });
  }
  if (numbers.length > 2 * maxSegments || total !== storedBytes) {
    throw invalidArchive(`the sparse map of ${shown(path)} does not fit its data`);
  }
  return segments;
}
