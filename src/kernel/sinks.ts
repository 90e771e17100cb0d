import { createHash, type Hash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import type { Sink } from "./download.ts";

/** Keeps a small download in memory. */
export class MemorySink implements Sink {
  #parts: Uint8Array[] = [];
  #size = 0;

  received(): number {
    return this.#size;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#parts.push(chunk);
    this.#size += chunk.length;
  }

  async reset(): Promise<void> {
    this.#parts = [];
    this.#size = 0;
  }

  content(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** Writes a download to an open file, and hashes it on the way. */
export class FileSink implements Sink {
  readonly #file: FileHandle;
  #hash: Hash = createHash("sha256");
  #size = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  received(): number {
    return this.#size;
  }

  async write(chunk: Uint8Array): Promise<void> {
    for (let offset = 0; offset < chunk.length; ) {
      const { bytesWritten } = await this.#file.write(
        chunk,
        offset,
        chunk.length - offset,
        this.#size + offset,
      );
      offset += bytesWritten;
    }
    this.#hash.update(chunk);
    this.#size += chunk.length;
  }

  async reset(): Promise<void> {
    await this.#file.truncate(0);
    this.#hash = createHash("sha256");
    this.#size = 0;
  }

  /** Of everything that was written. Ends the sink. */
  digest(): string {
    return this.#hash.digest("hex");
  }
}
