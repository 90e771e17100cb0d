import { PassThrough, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { EmberError } from "../errors/ember-error.ts";
import { runStreaming } from "./run.ts";

export type Compression = "none" | "gzip" | "xz" | "zstd";

/** Which compression a file's first bytes (at least 6) announce. */
export function detectCompression(head: Uint8Array): Compression {
  const starts = (...magic: number[]): boolean => magic.every((byte, index) => head[index] === byte);
  if (starts(0x1f, 0x8b)) return "gzip";
  if (starts(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)) return "xz";
  if (starts(0x28, 0xb5, 0x2f, 0xfd)) return "zstd";
  return "none";
}

export interface DecompressOptions {
  readonly signal?: AbortSignal | undefined;
  /** Default one hour: the reader's pace counts too. */
  readonly timeoutMs?: number;
}

/**
 * `input` decompressed, as a stream that ends with an error when the data is broken or cut short (`image-invalid`), the
 * input fails (its own error), or the signal aborts (`interrupted`). Destroying it stops everything behind it.
 * Throws `tool-missing`.
 */
export function decompress(
  input: Readable,
  compression: Compression,
  options: DecompressOptions = {},
): Readable {
  switch (compression) {
    case "none":
      return interruptible(input, options.signal);
    case "gzip":
      return interruptible(gunzip(input), options.signal);
    case "xz":
    case "zstd":
      return throughTool(compression, input, options);
  }
}

/** The whole of `bytes` decompressed, at most `limitBytes` of it. Throws `image-invalid` beyond that. */
export async function decompressBytes(
  bytes: Uint8Array,
  compression: Compression,
  limitBytes: number,
  options: DecompressOptions = {},
): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  // As one chunk: a stream made from the bytes themselves would hand out single numbers.
  for await (const part of decompress(Readable.from([bytes], { objectMode: false }), compression, options)) {
    size += part.length;
    if (size > limitBytes) throw broken(compression, `unpacks to more than ${limitBytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function interruptible(stream: Readable, signal: AbortSignal | undefined): Readable {
  if (signal === undefined) return stream;
  const onAbort = (): void => {
    stream.destroy(new EmberError("interrupted", "unpacking was interrupted"));
  };
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  stream.once("close", () => signal.removeEventListener("abort", onAbort));
  return stream;
}

function gunzip(input: Readable): Readable {
  const unpacker = createGunzip();
  const output = new PassThrough();
  input.once("error", (error) => output.destroy(error));
  unpacker.once("error", (error) => output.destroy(broken("gzip", error.message)));
  output.once("close", () => {
    input.destroy();
    unpacker.destroy();
  });
  return input.pipe(unpacker).pipe(output);
}

function throughTool(tool: "xz" | "zstd", input: Readable, options: DecompressOptions): Readable {
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
  const child = runStreaming(tool, ["-d", "-c", "-q"], {
    input,
    signal,
    timeoutMs: options.timeoutMs ?? 3_600_000,
  });
  const output = new PassThrough();
  child.stdout.on("error", () => undefined); // the tool's end tells
  child.stdout.pipe(output, { end: false });
  child.done.then(
    () => output.end(),
    (error: unknown) => {
      const failed = error instanceof EmberError && error.code === "tool-failed";
      output.destroy(failed ? broken(tool, error.message) : error instanceof Error ? error : undefined);
    },
  );
  output.once("close", () => {
    stop.abort();
    child.stdout.destroy(); // what nobody reads any more would keep the tool's end from being seen
  });
  return output;
}

function broken(compression: string, detail: string): EmberError {
  return new EmberError("image-invalid", `the ${compression} data is broken: ${detail}`);
}
