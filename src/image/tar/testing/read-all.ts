import type { TarEntry } from "../entry.ts";
import { TarReader } from "../reader.ts";

export interface ReadEntry extends TarEntry {
  /** With its holes, as zeros. */
  readonly content: Buffer;
}

/** All entries of an archive with their content, read in pieces of `chunkBytes`. */
export async function readAll(archive: Buffer, chunkBytes = 65536): Promise<ReadEntry[]> {
  const reader = new TarReader(inChunks(archive, chunkBytes));
  const entries: ReadEntry[] = [];
  for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
    const content = Buffer.alloc(entry.sizeBytes);
    await reader.readBody((offset, chunk) => {
      chunk.copy(content, offset);
    });
    entries.push({ ...entry, content });
  }
  return entries;
}

export async function* inChunks(data: Buffer, chunkBytes: number): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; at < data.length; at += chunkBytes) yield data.subarray(at, at + chunkBytes);
}
