import { ChunkReader } from "./chunk-reader.ts";
import { invalidArchive } from "./invalid.ts";

const frameMagic = 0xfd2fb528;
const outputChunkBytes = 64 * 1024;

/**
 * Passes zstd data on in chunks that never reach over the end of a frame, without skippable frames, and checks that
 * the data ends where a frame does. The runtimes' own decompressors need that: Node's forgets what stands behind a
 * frame in the same chunk, and Bun's takes a frame that ends too early for a whole one.
 * Format: RFC 8878, section 3.1.
 */
export async function* zstdFrames(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new ChunkReader(source);
  try {
    for (;;) {
      const start = await reader.take(4);
      if (start === undefined) return;
      const magic = start.readUInt32LE(0);
      if (magic >>> 4 === 0x184d2a5) {
        const length = (await need(reader, 4)).readUInt32LE(0);
        if (!(await reader.skip(length))) throw tooEarly();
      } else if (magic === frameMagic) {
        yield* oneFrame(reader, Buffer.from(start));
      } else {
        throw invalidArchive("the zstd data is damaged: there is no frame where one should begin");
      }
    }
  } finally {
    await reader.close();
  }
}

async function* oneFrame(reader: ChunkReader, magic: Buffer): AsyncGenerator<Buffer, void, undefined> {
  let parts: Buffer[] = [magic];
  let gathered = magic.length;
  const gather = (part: Buffer): void => {
    parts.push(Buffer.from(part)); // a copy: the view does not outlive the next read
    gathered += part.length;
  };
  const descriptor = Buffer.from(await need(reader, 1));
  gather(descriptor);
  gather(await need(reader, headerRest(descriptor[0] ?? 0)));
  for (let last = false; !last; ) {
    const header = await need(reader, 3);
    const bits = header.readUIntLE(0, 3);
    gather(header);
    last = (bits & 1) === 1;
    const isRun = ((bits >> 1) & 3) === 1; // one byte stands for the whole block
    for (let left = isRun ? 1 : bits >> 3; left > 0; ) {
      const part = await reader.some(left);
      if (part === undefined) throw tooEarly();
      gather(part);
      left -= part.length;
      if (gathered >= outputChunkBytes) {
        yield Buffer.concat(parts);
        parts = [];
        gathered = 0;
      }
    }
  }
  const hasChecksum = ((descriptor[0] ?? 0) & 4) !== 0;
  if (hasChecksum) gather(await need(reader, 4));
  if (gathered > 0) yield Buffer.concat(parts);
}

/** Length of what follows a frame header's first byte: window, dictionary and content size, each perhaps absent. */
function headerRest(descriptor: number): number {
  const singleSegment = (descriptor & 0x20) !== 0;
  const sizeBytes = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  return (singleSegment ? 0 : 1) + dictionaryBytes + sizeBytes;
}

/** Bytes of the frame that `bytes` begin with; undefined when they begin with none, or end before it does. */
export function frameLength(bytes: Buffer): number | undefined {
  if (bytes.length < 5 || bytes.readUInt32LE(0) !== frameMagic) return undefined;
  const descriptor = bytes[4] ?? 0;
  let at = 5 + headerRest(descriptor);
  for (let last = false; !last; ) {
    if (at + 3 > bytes.length) return undefined;
    const bits = bytes.readUIntLE(at, 3);
    last = (bits & 1) === 1;
    at += 3 + (((bits >> 1) & 3) === 1 ? 1 : bits >> 3);
  }
  if ((descriptor & 4) !== 0) at += 4; // a checksum
  return at <= bytes.length ? at : undefined;
}

async function need(reader: ChunkReader, length: number): Promise<Buffer> {
  const bytes = length === 0 ? Buffer.alloc(0) : await reader.take(length);
  if (bytes === undefined) throw tooEarly();
  return bytes;
}

function tooEarly(): Error {
  return invalidArchive("the zstd data ends too early");
}
