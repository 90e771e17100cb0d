import { type ByteString, bytesOf, toBytes } from "../bytes.ts";
import { formatPaxRecord } from "../pax.ts";

/** One entry of an archive made in a test. Sizes of the header follow from the content unless said. */
export interface TarItem {
  readonly path: ByteString;
  /** The header's type letter. Default: "0", a file. */
  readonly type?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** In seconds; a fraction goes into a PAX record, as text. */
  readonly mtime?: number | string;
  readonly link?: ByteString;
  readonly content?: string | Uint8Array;
  readonly device?: readonly [major: number, minor: number];
  readonly xattrs?: Readonly<Record<string, string | Uint8Array>>;
  /** More PAX records, in order. */
  readonly pax?: readonly (readonly [key: string, value: string | Uint8Array])[];
  /** The size that the header claims. */
  readonly claimedSize?: number;
}

const blockBytes = 512;

/** The archive of these items, with the two zero blocks at its end. */
export function tarOf(...items: readonly (TarItem | Buffer)[]): Buffer {
  return Buffer.concat([
    ...items.map((item) => (Buffer.isBuffer(item) ? item : entryOf(item))),
    endOfArchive,
  ]);
}

export const endOfArchive: Buffer = Buffer.alloc(2 * blockBytes);

/** An item's header, the headers that go before it, and its content. */
export function entryOf(item: TarItem): Buffer {
  const content = bytes(item.content ?? "");
  const records = paxRecordsOf(item);
  const parts: Buffer[] = [];
  if (records.length > 0) parts.push(paxHeader("x", records));
  parts.push(headerOf(item, content.length), padded(content));
  return Buffer.concat(parts);
}

/** An extended header ("x" for the next entry, "g" for all that follow). */
export function paxHeader(
  type: "x" | "g",
  records: readonly (readonly [key: string, value: string | Uint8Array])[],
): Buffer {
  const data = Buffer.concat(records.map(([key, value]) => formatPaxRecord(bytesOf(key), bytes(value))));
  return Buffer.concat([headerOf({ path: "PaxHeaders/x", type }, data.length), padded(data)]);
}

/** GNU's long name ("L") or long link target ("K") for the next entry. */
export function gnuLong(type: "L" | "K", text: ByteString): Buffer {
  const data = Buffer.concat([toBytes(text), Buffer.alloc(1)]);
  return Buffer.concat([headerOf({ path: "././@LongLink", type }, data.length), padded(data)]);
}

/** One header block; `change` may damage it before its checksum is made. */
export function headerOf(item: TarItem, size: number, change?: (block: Buffer) => void): Buffer {
  const block = Buffer.alloc(blockBytes);
  const octal = (value: number, at: number, length: number): void => {
    const limit = 8 ** (length - 1);
    block.write((value >= 0 && value < limit ? value : 0).toString(8).padStart(length - 1, "0"), at);
  };
  toBytes(item.path).copy(block, 0, 0, 100);
  octal(item.mode ?? (item.type === "5" ? 0o755 : 0o644), 100, 8);
  octal(item.uid ?? 0, 108, 8);
  octal(item.gid ?? 0, 116, 8);
  octal(item.claimedSize ?? size, 124, 12);
  octal(Math.floor(Number(item.mtime ?? 1_600_000_000)), 136, 12);
  block.write(item.type ?? "0", 156, "latin1");
  toBytes(item.link ?? "").copy(block, 157, 0, 100);
  block.write("ustar\u000000", 257);
  octal(item.device?.[0] ?? 0, 329, 8);
  octal(item.device?.[1] ?? 0, 337, 8);
  change?.(block);
  return withChecksum(block);
}

export function withChecksum(block: Buffer): Buffer {
  block.fill(0x20, 148, 156);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

/** Records for all that the header has no room for. */
function paxRecordsOf(item: TarItem): (readonly [string, string | Uint8Array])[] {
  const records: (readonly [string, string | Uint8Array])[] = [];
  if (item.path.length > 100) records.push(["path", toBytes(item.path)]);
  if ((item.link ?? "").length > 100) records.push(["linkpath", toBytes(item.link ?? "")]);
  for (const key of ["uid", "gid"] as const) {
    const id = item[key];
    if (id !== undefined && id >= 8 ** 7) records.push([key, String(id)]);
  }
  const mtime = item.mtime;
  if (
    mtime !== undefined &&
    (typeof mtime === "string" || mtime < 0 || mtime >= 8 ** 11 || !Number.isInteger(mtime))
  ) {
    records.push(["mtime", String(mtime)]);
  }
  for (const [name, value] of Object.entries(item.xattrs ?? {}))
    records.push([`SCHILY.xattr.${name}`, value]);
  return [...records, ...(item.pax ?? [])];
}

export function padded(data: Uint8Array): Buffer {
  return Buffer.concat([data, Buffer.alloc((blockBytes - (data.length % blockBytes)) % blockBytes)]);
}

function bytes(value: string | Uint8Array): Uint8Array {
  return typeof value === "string" ? Buffer.from(value) : value;
}
