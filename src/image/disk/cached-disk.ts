import { type BlockReader, checkRange } from "./block-reader.ts";
import { KeptBuffers } from "./kept-buffers.ts";

const chunkBytes = 65_536;
const keptChunks = 256;

/** `disk` read in large pieces, the last ones of which are kept: for what is small and read again, such as metadata. */
export function cached(disk: BlockReader): BlockReader {
  const kept = new KeptBuffers(keptChunks);
  const chunkAt = (start: number): Promise<Buffer> =>
    kept.get(start, () => disk.read(start, Math.min(chunkBytes, disk.sizeBytes - start)));
  return {
    name: disk.name,
    sizeBytes: disk.sizeBytes,
    async read(offset, length) {
      checkRange(disk, offset, length);
      const within = offset % chunkBytes;
      const first = await chunkAt(offset - within);
      if (within + length <= chunkBytes) return first.subarray(within, within + length);
      const parts = [first.subarray(within)];
      for (let at = offset - within + chunkBytes; at < offset + length; at += chunkBytes) {
        parts.push((await chunkAt(at)).subarray(0, offset + length - at));
      }
      return Buffer.concat(parts);
    },
    [Symbol.asyncDispose]: () => disk[Symbol.asyncDispose](),
  };
}
