import { invalidArchive } from "./invalid.ts";

const empty = Buffer.alloc(0);

/**
 * Bytes of a stream in pieces of the reader's choice. Pieces are views of the stream's own chunks wherever they do
 * not straddle two, and nothing is awaited while the present chunk has enough: that makes small entries fast.
 */
export class ChunkReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Buffer = empty;
  #at = 0;
  #before = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** How many bytes were taken so far. */
  get position(): number {
    return this.#before + this.#at;
  }

  /** Exactly `length` bytes if they are here already. The view is valid until the next call. */
  takeNow(length: number): Buffer | undefined {
    const end = this.#at + length;
    if (end > this.#chunk.length) return undefined;
    const view = this.#chunk.subarray(this.#at, end);
    this.#at = end;
    return view;
  }

  /** The `length` bytes that come after the next `skipped`, if they are here already; takes nothing. */
  peekNow(skipped: number, length: number): Buffer | undefined {
    const start = this.#at + skipped;
    return start + length > this.#chunk.length ? undefined : this.#chunk.subarray(start, start + length);
  }

  /** Passes over `length` bytes if they are here already; false, and passes over none, when they are not. */
  skipNow(length: number): boolean {
    if (this.#at + length > this.#chunk.length) return false;
    this.#at += length;
    return true;
  }

  /** Exactly `length` bytes; undefined when the stream has ended before them. Throws `image-invalid` if amid them. */
  async take(length: number): Promise<Buffer | undefined> {
    const now = this.takeNow(length);
    if (now !== undefined) return now;
    const whole = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; ) {
      const part = await this.some(length - at);
      if (part === undefined) {
        if (at === 0) return undefined;
        throw invalidArchive(`the archive ends amid its data, at byte ${this.position}`);
      }
      at += part.copy(whole, at);
    }
    return whole;
  }

  /** Between 1 and `limit` bytes, undefined at the stream's end. The view is valid until the next call. */
  async some(limit: number): Promise<Buffer | undefined> {
    if (this.#at === this.#chunk.length && !(await this.#fill())) return undefined;
    const view = this.#chunk.subarray(this.#at, Math.min(this.#chunk.length, this.#at + limit));
    this.#at += view.length;
    return view;
  }

  /** Like `some`, but only what is here already: undefined also while the stream goes on. */
  someNow(limit: number): Buffer | undefined {
    if (this.#at === this.#chunk.length) return undefined;
    const view = this.#chunk.subarray(this.#at, Math.min(this.#chunk.length, this.#at + limit));
    this.#at += view.length;
    return view;
  }

  /** Passes over `length` bytes; false when the stream ends before. */
  async skip(length: number): Promise<boolean> {
    for (let missing = length; missing > 0; ) {
      const part = await this.some(missing);
      if (part === undefined) return false;
      missing -= part.length;
    }
    return true;
  }

  /** Reads to the stream's end. */
  async drain(): Promise<void> {
    while ((await this.some(Number.MAX_SAFE_INTEGER)) !== undefined);
  }

  /** Tells the source that no more is wanted. Idempotent. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async #fill(): Promise<boolean> {
    this.#before += this.#at; // all of it: and it may be gone when the next one comes
    this.#chunk = empty;
    this.#at = 0;
    for (;;) {
      const next = await this.#source.next();
      if (next.done === true) return false;
      if (next.value.length === 0) continue;
      this.#chunk = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
      return true;
    }
  }
}
