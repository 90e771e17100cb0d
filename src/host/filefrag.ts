import { availableParallelism } from "node:os";
import { EmberError } from "../errors/ember-error.ts";
import { byteLines } from "./byte-lines.ts";
import { run } from "./run.ts";

/** What the kernel says of an extent (fiemap.h), as far as it matters for where and how it is stored. */
export const extentFlag = {
  /** Other files refer to it as well, or to a part of it. */
  shared: 1,
  /** Compressed: `length` is before compression, `physical` where its storage begins. */
  encoded: 2,
  /** Lies among the metadata, or nowhere yet: `physical` says nothing. */
  nowhere: 4,
} as const;

/** Numbers in bytes. `file` is the index of the file's name. */
export type OnExtent = (file: number, physical: number, length: number, flags: number) => void;

const sectorBytes = 512;
/** More would not fit the kernel's limit for arguments; fewer are not worth a process of their own. */
const mostPerRun = 8000;
const leastPerRun = 100;

/**
 * The extents of the files of those names in `folder`; those of one file come in order. The result says which files
 * were there. What was written but not yet given a place is missing unless the file system was synchronised.
 */
export async function readExtents(
  folder: string,
  names: readonly string[],
  onExtent: OnExtent,
): Promise<ReadonlySet<number>> {
  const seen = new Set<number>();
  const share = Math.ceil(names.length / availableParallelism());
  const perRun = Math.min(Math.max(share, leastPerRun), mostPerRun);
  const runs: Promise<unknown>[] = [];
  for (let first = 0; first < names.length; first += perRun) {
    const batch = names.slice(first, first + perRun);
    const parse = extentParser(
      batch,
      (file) => seen.add(first + file),
      (file, physical, length, flags) => onExtent(first + file, physical, length, flags),
    );
    const args = ["-v", `-b${sectorBytes}`, "--", ...batch];
    // 1: one of the files is gone meanwhile
    runs.push(
      run("filefrag", args, { cwd: folder, okStatuses: [0, 1], timeoutMs: 600_000, onStdout: parse }),
    );
  }
  await Promise.all(runs);
  return seen;
}

/** Reads what `filefrag -v -b512` prints about the named files. Throws `tool-failed` for a line it cannot read. */
export function extentParser(
  names: readonly string[],
  onFile: (file: number) => void,
  onExtent: OnExtent,
): (chunk: Buffer) => void {
  const numberOf = new Map(names.map((name, index) => [name, index]));
  let file: number | undefined;
  return byteLines((bytes, start, end) => {
    const first = bytes[start];
    if (first === space || (first !== undefined && isDigit(first))) {
      if (file !== undefined && file >= 0) readLine(bytes, start, end, file, onExtent);
    } else if (first === capitalF) {
      const name = /^File size of (.*) is \d+ \(/.exec(bytes.toString("utf8", start, end))?.[1];
      if (name === undefined) return; // "Filesystem type is: ..."
      file = numberOf.get(name);
      if (file === undefined) throw new EmberError("tool-failed", `filefrag tells of '${name}', unasked`);
      onFile(file);
    }
  }).write;
}

const space = 32;
const comma = 44;
const capitalF = 70;
const smallA = 97;
const letter = { d: 100, e: 101, i: 105, s: 115, u: 117 } as const;

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57;
}

/** " 0:  0..  2047:  48..  2095:  2048:  [expected:]  last,shared"; the heading begins with " ext:" instead. */
function readLine(bytes: Buffer, start: number, end: number, file: number, onExtent: OnExtent): void {
  let at = start;
  let count = 0; // numbers read: index, logical start and end, physical start and end, length
  let physical = 0;
  let length = 0;
  while (at < end && count < 6) {
    let byte = bytes[at] ?? 0;
    if (!isDigit(byte)) {
      if (byte >= smallA) return; // the heading
      at += 1;
      continue;
    }
    let value = 0;
    while (isDigit(byte)) {
      value = value * 10 + (byte - 48);
      at += 1;
      byte = bytes[at] ?? 0;
    }
    count += 1;
    if (count === 4) physical = value;
    else if (count === 6) length = value;
  }
  if (count < 6)
    throw new EmberError("tool-failed", `filefrag printed '${bytes.toString("utf8", start, end)}'`);
  const flags = readFlags(bytes, at + 1, end);
  const inBytes = (flags & extentFlag.nowhere) !== 0 && physical === 0; // it counts what is inline in bytes
  onExtent(file, physical * sectorBytes, inBytes ? length : length * sectorBytes, flags);
}

/** The words are told apart by first letter and length. */
function readFlags(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && (bytes[at] ?? 0) < smallA) at += 1;
  let flags = 0;
  for (let word = at; word < end; word = at + 1) {
    at = word;
    while (at < end && bytes[at] !== comma) at += 1;
    flags |= flagOf(bytes[word] ?? 0, at - word);
  }
  return flags;
}

function flagOf(first: number, length: number): number {
  if (first === letter.s) return extentFlag.shared;
  if (first === letter.e) return length === "encoded".length ? extentFlag.encoded : 0; // else "eof"
  if (first === letter.i || first === letter.d) return extentFlag.nowhere; // inline, delalloc
  if (first === letter.u) return length === "unwritten".length ? 0 : extentFlag.nowhere; // else "unknown_loc"
  return 0;
}
