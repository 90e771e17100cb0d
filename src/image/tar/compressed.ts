import { Readable, type Transform } from "node:stream";
import * as zlib from "node:zlib";
import { EmberError, errnoCode } from "../../errors/ember-error.ts";
import { runStreaming } from "../../host/run.ts";
import { free } from "./free.ts";
import { invalidArchive } from "./invalid.ts";
import { readAhead } from "./read-ahead.ts";
import { zstdFrames } from "./zstd-frames.ts";

export type Compression = "gzip" | "zstd" | "xz" | "none";

export interface OpenedStream {
  readonly compression: Compression;
  readonly content: AsyncIterable<Uint8Array>;
}

/** Large pieces keep the cost per piece, which goes from thread to thread, small beside the cost per byte. */
const outputChunkBytes = 512 * 1024;
/** How much is decompressed before somebody takes it: so that both go on at once. */
const aheadBytes = 4 * 1024 * 1024;

/** What decompressing one layer with a host tool may take at the most: a guard against hanging. */
const toolTimeoutMs = 6 * 3600 * 1000;

export interface OpenCompressedOptions {
  readonly signal?: AbortSignal | undefined;
  /**
   * Memory is given back at once: the source's pieces are nobody's afterwards, and each piece of the content is valid until the
   * next one is asked for.
   */
  readonly transient?: boolean | undefined;
}

/**
 * The content of a stream that may be compressed, told by its first bytes. gzip may have several members, zstd several
 * frames. Reading the content throws `image-invalid` when it is damaged or ends too early, `tool-missing` where a
 * tool is needed and not there; errors of `source` pass through.
 */
export async function openCompressed(
  source: AsyncIterable<Uint8Array>,
  options: OpenCompressedOptions = {},
): Promise<OpenedStream> {
  const { head, whole } = await peek(source, 6);
  const compression = detectCompression(head);
  switch (compression) {
    case "gzip":
      return {
        compression,
        content: through(whole, zlib.createGunzip({ chunkSize: outputChunkBytes }), compression, options),
      };
    case "zstd":
      return { compression, content: unzstd(whole, options) };
    case "xz":
      return {
        compression,
        content: throughTool(whole, "xz", ["-dc", "-q", "--memlimit-decompress=1GiB"], options.signal),
      };
    case "none":
      return { compression, content: whole };
  }
}

/** Which compression the first six bytes of a stream are the mark of. */
export function detectCompression(head: Buffer): Compression {
  if (head[0] === 0x1f && head[1] === 0x8b) return "gzip";
  if (head.length >= 4 && head.readUInt32LE(0) === 0xfd2fb528) return "zstd";
  // A skippable frame, which may stand before the first one with data.
  if (head.length >= 4 && head.readUInt32LE(0) >>> 4 === 0x184d2a5) return "zstd";
  if (head.toString("latin1", 0, 6) === "\xfd7zXZ\0") return "xz";
  return "none";
}

function unzstd(
  source: AsyncIterable<Uint8Array>,
  options: OpenCompressedOptions,
): AsyncIterable<Uint8Array> {
  // Node has it since 22.15.
  if (typeof zlib.createZstdDecompress !== "function")
    return throughTool(source, "zstd", ["-dc", "-q"], options.signal);
  const decompressor = zlib.createZstdDecompress({ chunkSize: outputChunkBytes });
  return through(zstdFrames(source), decompressor, "zstd", options);
}

async function* through(
  source: AsyncIterable<Uint8Array>,
  transform: Transform,
  what: string,
  { transient = false }: OpenCompressedOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const release = transient ? free : (): void => undefined;
  feed(source, transform, release).catch((error) => transform.destroy(error)); // it comes out of the transform, below
  try {
    yield* readAhead(transform, { limitBytes: aheadBytes, release });
  } catch (error) {
    throw decompressionError(error, what);
  }
}

/** The next piece is there while one is decompressed. */
async function feed(
  source: AsyncIterable<Uint8Array>,
  transform: Transform,
  release: (piece: Uint8Array) => void,
): Promise<void> {
  let before: Promise<void> | undefined;
  for await (const chunk of source) {
    const written = new Promise<void>((resolve, reject) => {
      transform.write(chunk, (error) => (error ? reject(error) : resolve()));
    }).then(() => release(chunk));
    written.catch(() => undefined); // thrown where it is awaited
    await before;
    before = written;
  }
  await before;
  transform.end();
}

/** Only what zlib itself found is the data's fault; all else is the source's own error. */
function decompressionError(error: unknown, what: string): unknown {
  if (error instanceof EmberError) return error;
  const code = errnoCode(error) ?? "";
  if (!/^(Z_|ZSTD_|ERR__?ZSTD|ERR_ZLIB|ERR__ERROR)/i.test(code)) return error;
  const reason = error instanceof Error ? error.message : code;
  return invalidArchive(`the ${what} data is damaged or ends too early: ${reason}`, error);
}

async function* throughTool(
  source: AsyncIterable<Uint8Array>,
  tool: string,
  args: readonly string[],
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const input = Readable.from(source, { objectMode: false, highWaterMark: outputChunkBytes });
  const process = runStreaming(tool, args, { input, timeoutMs: toolTimeoutMs, signal });
  try {
    for await (const chunk of process.stdout) yield chunk;
    await process.done;
  } catch (error) {
    if (error instanceof EmberError && error.code === "tool-failed") {
      throw invalidArchive(`the ${tool} data is damaged or ends too early: ${error.message}`, error);
    }
    throw error;
  } finally {
    process.stdout.destroy(); // the tool ends by itself when nobody reads it
    input.destroy();
  }
}

/** The first `length` bytes (fewer when there are no more), and an iteration that begins with them all the same. */
async function peek(
  source: AsyncIterable<Uint8Array>,
  length: number,
): Promise<{ head: Buffer; whole: AsyncIterable<Uint8Array> }> {
  const iterator = source[Symbol.asyncIterator]();
  let head: Buffer = Buffer.alloc(0);
  let ended = false;
  while (head.length < length && !ended) {
    const next = await iterator.next();
    if (next.done === true) ended = true;
    else head = head.length === 0 ? Buffer.from(next.value) : Buffer.concat([head, next.value]);
  }
  async function* whole(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      if (head.length > 0) yield head;
      while (!ended) {
        const next = await iterator.next();
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  }
  return { head, whole: whole() };
}
