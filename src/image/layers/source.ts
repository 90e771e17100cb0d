import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { EmberError } from "../../errors/ember-error.ts";
import { openCompressed } from "../tar/compressed.ts";

/** A layer: a tar archive, perhaps compressed, and what is known of it beforehand. */
export interface LayerSource {
  /** Called once, perhaps while another layer is read. The stream is destroyed when it is not read to its end. */
  open(): Promise<Readable>;
  /** "sha256:..." of the blob as `open` gives it. */
  readonly digest?: string | undefined;
  /** Whether somebody has compared that digest. The content is hashed in any case. */
  readonly isChecked?: boolean | undefined;
  /** "sha256:..." of the archive, decompressed. */
  readonly diffId?: string | undefined;
  /** Length of the blob. */
  readonly sizeBytes?: number | undefined;
}

export interface OpenedLayer {
  /** The archive's bytes. */
  readonly content: AsyncIterable<Uint8Array>;
  /** How many bytes of the blob were read so far. */
  readonly blobBytes: () => number;
  /**
   * Compares digests and size with what was promised, once the content was read to its end, and returns the diffId.
   * Throws `verification-failed`.
   */
  readonly verify: () => string;
  /** Lets go of the content, read or not. Idempotent. */
  readonly close: () => Promise<void>;
}

/**
 * The content begins to be decompressed at once. Each piece of it is valid until the next one is asked for. `onBytes` is told of
 * every piece that is read, and may throw.
 */
export async function openLayer(
  source: LayerSource,
  options: { readonly signal: AbortSignal | undefined; readonly onBytes: (count: number) => void },
): Promise<OpenedLayer> {
  const blob =
    source.digest === undefined || source.isChecked === true ? undefined : new Digest(source.digest);
  const archive = new Digest(source.diffId ?? "sha256:");
  const stream = await source.open();
  let blobBytes = 0;
  const counted = abortable(stream, options.signal, (chunk) => {
    blobBytes += chunk.length;
    if (source.sizeBytes !== undefined && blobBytes > source.sizeBytes) {
      throw new EmberError("verification-failed", `it is longer than the ${source.sizeBytes} bytes promised`);
    }
    blob?.update(chunk);
  });
  const opened = await openCompressed(counted, { signal: options.signal, transient: true });
  const pieces = opened.content[Symbol.asyncIterator]();
  const first = pieces.next();
  first.catch(() => undefined); // thrown to whoever reads it
  const close = async (): Promise<void> => {
    await pieces.return?.();
  };
  async function* content(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (let piece = await first; piece.done !== true; piece = await pieces.next()) {
        options.onBytes(piece.value.length);
        archive.update(piece.value);
        yield piece.value;
      }
    } finally {
      await close();
    }
  }
  const verify = (): string => {
    if (source.sizeBytes !== undefined && blobBytes !== source.sizeBytes) {
      throw new EmberError(
        "verification-failed",
        `it has ${blobBytes} bytes instead of the ${source.sizeBytes} promised`,
      );
    }
    blob?.check("its digest");
    return source.diffId === undefined ? archive.text() : archive.check("the digest of its content");
  };
  return { content: content(), blobBytes: () => blobBytes, verify, close };
}

/** Reads a stream to its end, or until the signal: then it is destroyed, also while waiting for its next piece. */
async function* abortable(
  stream: Readable,
  signal: AbortSignal | undefined,
  onChunk: (chunk: Uint8Array) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  const stop = (): void => {
    stream.destroy(new EmberError("interrupted", "reading a layer was interrupted"));
  };
  if (signal?.aborted === true) stop();
  signal?.addEventListener("abort", stop, { once: true });
  try {
    for await (const chunk of stream) {
      if (!(chunk instanceof Uint8Array)) throw new EmberError("internal", "a layer's stream gave no bytes");
      onChunk(chunk);
      yield chunk;
    }
  } finally {
    signal?.removeEventListener("abort", stop);
    stream.destroy();
  }
}

/** A digest being computed, and what it should be. */
class Digest {
  readonly #expected: string;
  readonly #algorithm: string;
  readonly #hash: ReturnType<typeof createHash>;

  constructor(expected: string) {
    const algorithm = /^(sha256|sha512):[0-9a-f]*$/.exec(expected)?.[1];
    if (algorithm === undefined) {
      throw new EmberError(
        "verification-failed",
        `'${expected.slice(0, 100)}' is no digest that can be checked`,
      );
    }
    this.#expected = expected;
    this.#algorithm = algorithm;
    this.#hash = createHash(algorithm);
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
  }

  text(): string {
    return `${this.#algorithm}:${this.#hash.digest("hex")}`;
  }

  check(what: string): string {
    const found = this.text();
    if (found !== this.#expected) {
      throw new EmberError("verification-failed", `${what} is ${found} instead of ${this.#expected}`, {
        hint: "it was damaged or changed on the way: fetch it again",
      });
    }
    return found;
  }
}
