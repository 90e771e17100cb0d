import { EmberError } from "../errors/ember-error.ts";
import type { TaskOptions } from "../types.ts";
import type { CopyReport } from "./copy-paths.ts";
import { printable } from "./printable.ts";

/** Bytes between two reports of progress. */
const reportEveryBytes = 1024 * 1024;

/** Counts what a copy does, tells of it, and stops it when it is aborted. */
export class CopyProgress {
  readonly #options: TaskOptions;
  #files = 0;
  #bytes = 0;
  #reported = 0;
  #total: number | undefined;
  readonly #skipped: string[] = [];

  constructor(options: TaskOptions) {
    this.#options = options;
  }

  /** Known for a single file only. */
  expect(totalBytes: number): void {
    this.#total = totalBytes;
  }

  /** Throws `interrupted` once the copy was aborted. */
  check(): void {
    if (this.#options.signal?.aborted) throw new EmberError("interrupted", "the copy was interrupted");
  }

  addBytes(count: number): void {
    this.check();
    this.#bytes += count;
    if (this.#bytes - this.#reported >= reportEveryBytes) this.#report("copying");
  }

  fileDone(): void {
    this.#files += 1;
  }

  /** Device nodes, pipes and sockets make no sense on the other side. */
  skip(path: string): void {
    this.#skipped.push(path);
    this.#report(`skipped '${printable(path)}': neither a file, a folder nor a symlink`);
  }

  finish(): CopyReport {
    this.#report("copied");
    return { files: this.#files, bytes: this.#bytes, skipped: this.#skipped };
  }

  #report(step: string): void {
    this.#reported = this.#bytes;
    const total = this.#total === undefined ? {} : { total: this.#total };
    this.#options.onProgress?.({ step, done: this.#bytes, ...total });
  }
}
