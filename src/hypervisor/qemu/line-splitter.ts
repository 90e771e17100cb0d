import { EmberError } from "../../errors/ember-error.ts";

/** The longest message that is taken from a hypervisor; its real ones are a few kilobytes. */
export const longestLineBytes: number = 1 << 20;

/** Cuts a byte stream into lines, however its pieces fall. Empty lines are left out. */
export class LineSplitter {
  #pending: Buffer[] = [];
  #pendingBytes = 0;

  /** The lines that `chunk` completes. Throws `hypervisor-failed` when a line passes `longestLineBytes`. */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      this.#keep(chunk.subarray(start, end));
      const line = Buffer.concat(this.#pending).toString("utf8").trim();
      if (line !== "") lines.push(line);
      this.#pending = [];
      this.#pendingBytes = 0;
      start = end + 1;
    }
    this.#keep(chunk.subarray(start));
    return lines;
  }

  #keep(piece: Buffer): void {
    this.#pendingBytes += piece.length;
    if (this.#pendingBytes > longestLineBytes) {
      throw new EmberError(
        "hypervisor-failed",
        `the hypervisor's control socket gave a message longer than ${longestLineBytes} bytes`,
      );
    }
    this.#pending.push(piece);
  }
}
