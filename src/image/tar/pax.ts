import { type ByteString, fromBytes, shown, toBytes } from "./bytes.ts";
import { invalidArchive } from "./invalid.ts";
import { type Moment, parseDecimal, parsePaxTime } from "./numbers.ts";

/** The records of one extended header, in order. A key may come twice: GNU's sparse format 0.0 does that. */
export type PaxRecords = readonly (readonly [key: ByteString, value: Buffer])[];

/** Splits an extended header into its records "LENGTH KEY=VALUE\n". The values are copies. */
export function parsePaxRecords(data: Buffer, position: number): PaxRecords {
  const records: (readonly [ByteString, Buffer])[] = [];
  const malformed = () => invalidArchive(`the extended header at byte ${position} is malformed`);
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(0x20, at);
    if (space < 0 || space - at > 8) {
      if (data.subarray(at).every((byte) => byte === 0)) break; // some writers pad with NUL
      throw malformed();
    }
    const length = parseDecimal(data.toString("latin1", at, space));
    if (length === undefined || length < space - at + 3 || at + length > data.length) throw malformed();
    const end = at + length - 1;
    const equals = data.indexOf(0x3d, space + 1);
    if (data[end] !== 0x0a || equals < 0 || equals >= end || equals === space + 1) throw malformed();
    records.push([data.toString("latin1", space + 1, equals), Buffer.from(data.subarray(equals + 1, end))]);
    at = end + 1;
  }
  return records;
}

/** What extended headers say about one entry; what they leave open is undefined. */
export interface PaxFacts {
  path?: ByteString;
  linkTarget?: ByteString;
  sizeBytes?: number;
  uid?: number;
  gid?: number;
  modified?: Moment;
  xattrs: Map<ByteString, Buffer>;
  /** Records of GNU's sparse formats, for sparse.ts. */
  sparse: [key: string, value: string][];
}

const schilyXattr = "SCHILY.xattr.";
const libarchiveXattr = "LIBARCHIVE.xattr.";

/** Of nearly all entries; as it is. */
const noFacts: PaxFacts = { xattrs: new Map(), sparse: [] };

/** Puts global records, then an entry's own, into one set of facts. An empty value takes a record back. */
export function readPaxFacts(globals: PaxRecords, own: PaxRecords): PaxFacts {
  if (globals.length === 0 && own.length === 0) return noFacts;
  const facts: PaxFacts = { xattrs: new Map(), sparse: [] };
  for (const [key, value] of globals) {
    // The rest is about one file alone: said of all of them, it is a mistake or a trick.
    if (key === "uid" || key === "gid" || key === "mtime") applyRecord(facts, key, value);
  }
  for (const [key, value] of own) applyRecord(facts, key, value);
  return facts;
}

function applyRecord(facts: PaxFacts, key: ByteString, value: Buffer): void {
  switch (key) {
    case "path":
      setOrTakeBack(facts, "path", nameValue(key, value));
      break;
    case "linkpath":
      setOrTakeBack(facts, "linkTarget", nameValue(key, value));
      break;
    case "size":
      setOrTakeBack(facts, "sizeBytes", numberValue(key, value));
      break;
    case "uid":
      setOrTakeBack(facts, "uid", numberValue(key, value));
      break;
    case "gid":
      setOrTakeBack(facts, "gid", numberValue(key, value));
      break;
    case "mtime":
      setOrTakeBack(facts, "modified", timeValue(key, value));
      break;
    default:
      if (key.startsWith(schilyXattr)) facts.xattrs.set(key.slice(schilyXattr.length), value);
      else if (key.startsWith(libarchiveXattr)) applyLibarchiveXattr(facts, key, value);
      else if (key.startsWith("GNU.sparse.")) facts.sparse.push([key.slice(11), fromBytes(value)]);
  }
}

/** libarchive's own form: the name URL-encoded, the value in base64. Where both forms are there, SCHILY's is kept. */
function applyLibarchiveXattr(facts: PaxFacts, key: ByteString, value: Buffer): void {
  const name = key
    .slice(libarchiveXattr.length)
    .replace(/%([0-9a-fA-F]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
  if (facts.xattrs.has(name)) return;
  facts.xattrs.set(name, Buffer.from(value.toString("latin1"), "base64"));
}

function setOrTakeBack<K extends keyof PaxFacts>(
  facts: PaxFacts,
  key: K,
  value: PaxFacts[K] | undefined,
): void {
  if (value === undefined) delete facts[key];
  else facts[key] = value;
}

function nameValue(key: string, value: Buffer): ByteString | undefined {
  if (value.length === 0) return undefined;
  if (value.includes(0))
    throw invalidArchive(`an extended header's ${key} holds a NUL byte: ${shown(fromBytes(value))}`);
  return fromBytes(value);
}

function numberValue(key: string, value: Buffer): number | undefined {
  if (value.length === 0) return undefined;
  const number = parseDecimal(fromBytes(value));
  if (number === undefined) throw badValue(key, value);
  return number;
}

function timeValue(key: string, value: Buffer): Moment | undefined {
  if (value.length === 0) return undefined;
  const time = parsePaxTime(fromBytes(value));
  if (time === undefined) throw badValue(key, value);
  return time;
}

function badValue(key: string, value: Buffer): Error {
  return invalidArchive(`an extended header's ${key} is malformed: ${shown(fromBytes(value))}`);
}

/** Later global headers add to earlier ones, key by key. */
export function mergeGlobals(earlier: PaxRecords, later: PaxRecords): PaxRecords {
  const merged = new Map<ByteString, Buffer>(earlier);
  for (const [key, value] of later) {
    if (key === "uid" || key === "gid" || key === "mtime") merged.set(key, value);
  }
  return [...merged];
}

/** The bytes of extended headers, for writers: one record. */
export function formatPaxRecord(key: ByteString, value: Uint8Array): Buffer {
  const rest = 1 + key.length + 1 + value.length + 1;
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  return Buffer.concat([toBytes(`${length} ${key}=`), value, Buffer.from("\n")]);
}
