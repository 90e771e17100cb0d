/** A cpio entry as the kernel would read it. Knows nothing of the writer. */
export interface ReadEntry {
  readonly path: string;
  readonly mode: number;
  readonly major: number;
  readonly minor: number;
  readonly content: Buffer;
}

/** Reads uncompressed "newc" archives, one after the other, as init/initramfs.c of the kernel does. */
export function readCpio(bytes: Buffer): ReadEntry[] {
  const entries: ReadEntry[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (bytes[at] === 0) {
      at++;
      continue;
    }
    if (at % 4 !== 0) throw new Error(`an archive begins at ${at}, which is no multiple of 4`);
    const field = (index: number): number =>
      Number.parseInt(bytes.toString("latin1", at + 6 + index * 8, at + 14 + index * 8), 16);
    if (bytes.toString("latin1", at, at + 6) !== "070701") throw new Error(`no header at ${at}`);
    const [mode, size, major, minor, nameSize] = [field(1), field(6), field(9), field(10), field(11)];
    const path = bytes.toString("utf8", at + 110, at + 110 + nameSize - 1);
    const start = Math.ceil((at + 110 + nameSize) / 4) * 4;
    at = Math.ceil((start + size) / 4) * 4;
    if (path === "TRAILER!!!") continue;
    entries.push({ path, mode, major, minor, content: bytes.subarray(start, start + size) });
  }
  return entries;
}
