import type { Readable } from "node:stream";
import { EmberError } from "../../errors/ember-error.ts";

/** A regular file in a tar stream. */
export interface TarFile {
  /** Without a leading "./". */
  readonly path: string;
  readonly size: number;
  /** Its content; what is not read is skipped. Throws `image-invalid` when it is larger than allowed. */
  readonly read: (limitBytes: number) => Promise<Buffer>;
}

const block = 512;

/** The regular files of a tar stream (ustar, GNU long names). Throws `image-invalid`. */
export async function* readTar(stream: Readable, limitBytes: number): AsyncGenerator<TarFile> {
  const source = new ByteSource(stream, limitBytes);
  let longName: string | undefined;
  for (;;) {
    const header = await source.take(block, false);
    if (header === undefined || header.every((byte) => byte === 0)) return;
    const size = octal(header, 124, 12);
    const type = String.fromCharCode(header[156] ?? 0);
    const padding = (block - (size % block)) % block;
    if (type === "L") {
      longName = text(await source.must(size), 0, size);
      await source.must(padding);
      continue;
    }
    const path = (longName ?? text(header, 0, 100)).replace(/^(\.\/)+/, "");
    longName = undefined;
    let left = size;
    const read = async (limit: number): Promise<Buffer> => {
      if (size > limit) throw broken(`'${path}' is too large`);
      left = 0;
      return await source.must(size);
    };
    if (type === "0" || type === "\0") yield { path, size, read };
    await source.skip(left + padding);
  }
}

class ByteSource {
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #limit: number;
  #rest: Buffer = Buffer.alloc(0);
  #seen = 0;

  constructor(stream: Readable, limit: number) {
    this.#chunks = stream[Symbol.asyncIterator]();
    this.#limit = limit;
  }

  async take(size: number, whole: boolean): Promise<Buffer | undefined> {
    const parts: Buffer[] = [];
    let missing = size;
    while (missing > 0) {
      if (this.#rest.length === 0 && !(await this.#fill())) {
        if (!whole && missing === size) return undefined;
        throw broken("it is cut short");
      }
      const part = this.#rest.subarray(0, missing);
      this.#rest = this.#rest.subarray(part.length);
      missing -= part.length;
      parts.push(part);
    }
    return parts.length === 1 ? parts[0] : Buffer.concat(parts);
  }

  async must(size: number): Promise<Buffer> {
    return (await this.take(size, true)) ?? Buffer.alloc(0);
  }

  async skip(size: number): Promise<void> {
    for (let left = size; left > 0; ) {
      const step = Math.min(left, 1024 ** 2);
      await this.must(step);
      left -= step;
    }
  }

  async #fill(): Promise<boolean> {
    const next = await this.#chunks.next();
    if (next.done === true) return false;
    this.#rest = next.value;
    this.#seen += this.#rest.length;
    if (this.#seen > this.#limit) throw broken("it unpacks to too much");
    return true;
  }
}

function text(bytes: Buffer, start: number, length: number): string {
  const field = bytes.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end === -1 ? field.length : end);
}

function octal(bytes: Buffer, start: number, length: number): number {
  const digits = text(bytes, start, length).trim();
  if (!/^[0-7]{1,12}$/.test(digits)) throw broken("a size in it is no number");
  return Number.parseInt(digits, 8);
}

function broken(detail: string): EmberError {
  return new EmberError("image-invalid", `the package's content cannot be read: ${detail}`);
}
