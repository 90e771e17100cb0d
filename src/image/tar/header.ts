import { type ByteString, shown } from "./bytes.ts";
import { invalidArchive } from "./invalid.ts";
import { parseNumber } from "./numbers.ts";

export const blockBytes = 512;

/** What one header block says, before long names, PAX records and sparse maps are put to it. */
export interface Header {
  readonly path: ByteString;
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of data that follow in the archive. */
  readonly storedBytes: number;
  readonly modifiedSeconds: number;
  readonly linkTarget: ByteString;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  /** A copy of the block, for GNU's old sparse format only. */
  readonly block: Buffer | undefined;
}

export function isZeroBlock(block: Buffer): boolean {
  if (block[0] !== 0) return false;
  for (let at = 1; at < blockBytes; at++) if (block[at] !== 0) return false;
  return true;
}

/** Reads one header block. Throws `image-invalid` when its checksum or a field is wrong; `position` is for the message. */
export function parseHeader(block: Buffer, position: number): Header {
  checkSum(block, position);
  const dialect = dialectOf(block);
  const name = text(block, 0, 100);
  const prefix =
    dialect === "ustar" ? text(block, 345, 155) : dialect === "star" ? text(block, 345, 131) : "";
  const path = prefix === "" ? name : `${prefix}/${name}`;
  const number = (field: string, start: number, length: number): number => {
    const value = parseNumber(block, start, length);
    if (value === undefined) {
      throw invalidArchive(`the header of ${shown(path)} has a malformed ${field} (at byte ${position})`);
    }
    return value;
  };
  const unsigned = (field: string, start: number, length: number): number => {
    const value = number(field, start, length);
    if (value < 0) throw invalidArchive(`the header of ${shown(path)} has a negative ${field}`);
    return value;
  };
  const type = String.fromCharCode(block[156] ?? 0);
  const isDevice = type === "3" || type === "4";
  return {
    path,
    type,
    mode: unsigned("mode", 100, 8),
    uid: unsigned("owner", 108, 8),
    gid: unsigned("group", 116, 8),
    storedBytes: unsigned("size", 124, 12),
    modifiedSeconds: number("time", 136, 12),
    linkTarget: text(block, 157, 100),
    deviceMajor: isDevice ? unsigned("device number", 329, 8) : 0,
    deviceMinor: isDevice ? unsigned("device number", 337, 8) : 0,
    block: type === "S" ? Buffer.from(block) : undefined,
  };
}

/** The sum of all bytes, those of the field itself taken as spaces; some old writers summed signed bytes. */
function checkSum(block: Buffer, position: number): void {
  block.copy(bytesOfBlock);
  let pairs = 0;
  let highs = 0;
  // Four bytes at a time, the sums of each second one in half a word: this is most of the work for a small file.
  for (let index = 0; index < blockBytes / 4; index++) {
    const word = wordsOfBlock[index] ?? 0;
    pairs = (pairs + (word & 0x00ff00ff) + ((word >>> 8) & 0x00ff00ff)) | 0;
    highs += (word >>> 7) & 0x01010101;
  }
  let sum = 256 + (pairs >>> 16) + (pairs & 0xffff);
  let high = (highs & 0xff) + ((highs >>> 8) & 0xff) + ((highs >>> 16) & 0xff) + (highs >>> 24);
  for (let at = 148; at < 156; at++) {
    const byte = block[at] ?? 0;
    sum -= byte;
    high -= byte >> 7;
  }
  const stored = parseNumber(block, 148, 8);
  if (stored === undefined || (stored !== sum && stored !== sum - 256 * high)) {
    throw invalidArchive(`there is no valid tar header at byte ${position}`);
  }
}

/** Of the header at hand, here once, where its words can be read whatever the place in memory that it came to. */
const wordsOfBlock = new Uint32Array(blockBytes / 4);
const bytesOfBlock = new Uint8Array(wordsOfBlock.buffer);

/** Where the fields after the 257th byte lie differs: GNU has no prefix, and star a shorter one. */
function dialectOf(block: Buffer): "ustar" | "star" | "gnu" | "v7" {
  const magic = block.toString("latin1", 257, 265);
  if (magic === "ustar  \0") return "gnu";
  if (!magic.startsWith("ustar\0")) return "v7";
  return block.toString("latin1", 508, 512) === "tar\0" ? "star" : "ustar";
}

/** A text field: up to its first NUL. */
function text(block: Buffer, start: number, length: number): ByteString {
  let end = start;
  while (end < start + length && block[end] !== 0) end++;
  return end === start ? "" : block.toString("latin1", start, end);
}
