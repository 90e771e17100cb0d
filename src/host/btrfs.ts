import { setTimeout as sleep } from "node:timers/promises";
import { byteLines } from "./byte-lines.ts";
import { run } from "./run.ts";

/** The extents of a btrfs as they lie on its disk, after compression. */
export class DiskExtents {
  readonly #starts: Float64Array;
  readonly #lengths: Float64Array;

  /** Both columns ascending by start; extents do not overlap. */
  constructor(starts: readonly number[], lengths: readonly number[]) {
    this.#starts = Float64Array.from(starts);
    this.#lengths = Float64Array.from(lengths);
  }

  /** Calls back for each extent that lies in the range, in part at least. Returns whether there was one. */
  within(start: number, length: number, onExtent: (start: number, length: number) => void): boolean {
    let found = false;
    for (let at = this.#lastFrom(start); at < this.#starts.length; at += 1) {
      const extentStart = this.#starts[at] ?? 0;
      const extentLength = this.#lengths[at] ?? 0;
      if (extentStart >= start + length) break;
      if (extentStart + extentLength <= start) continue;
      onExtent(extentStart, extentLength);
      found = true;
    }
    return found;
  }

  /** Index of the last extent that begins at or before `position`, 0 when there is none. */
  #lastFrom(position: number): number {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[middle] ?? 0) <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

const attempts = 3;

/**
 * The extents of the btrfs on `source`, which may be mounted, as of its last commit. A device must be read past the
 * kernel's cache of it, which knows nothing of what the file system writes. Undefined when the tree changed faster
 * than it could be read. Throws `tool-missing`, `permission-denied` as the tools do.
 */
export async function readDiskExtents(source: string, isDevice: boolean): Promise<DiskExtents | undefined> {
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    if (isDevice) await run("blockdev", ["--flushbufs", source]);
    const starts: number[] = [];
    const lengths: number[] = [];
    const { status, stderr } = await run(
      "btrfs",
      ["inspect-internal", "dump-tree", "--noscan", "-t", "extent", "--", source],
      {
        okStatuses: [0, 1],
        timeoutMs: 600_000,
        onStdout: extentTreeParser((start, length) => {
          starts.push(start);
          lengths.push(length);
        }),
      },
    );
    if (status === 0 && stderr.trim() === "" && isAscending(starts)) return new DiskExtents(starts, lengths);
    await sleep(100);
  }
  return undefined;
}

/** A tree that changed while it was read shows leaves in the wrong order. */
function isAscending(values: readonly number[]): boolean {
  return values.every((value, index) => index === 0 || value > (values[index - 1] ?? 0));
}

const tab = 9;
const itemForm = /^\titem \d+ key \((\d+) EXTENT_ITEM (\d+)\)/;

/** Reads "item N key (START EXTENT_ITEM LENGTH) ..."; all the other lines tell who refers to it. */
export function extentTreeParser(onExtent: (start: number, length: number) => void): (chunk: Buffer) => void {
  return byteLines((bytes, start, end) => {
    if (bytes[start] !== tab || bytes[start + 1] === tab) return;
    const parts = itemForm.exec(bytes.toString("latin1", start, Math.min(end, start + 100)));
    if (parts !== null) onExtent(Number(parts[1]), Number(parts[2]));
  }).write;
}
