import { closeSync, fstatSync, openSync, readSync } from "node:fs";

export type ConsoleSign = "none" | "ready" | "fatal";

/** What is read in one look at most; a console that prints faster is caught up with from its end. */
const lookBytes = 64 * 1024;
/** Longer than any sign, so that one that was half written at the last look is found at the next. */
const overlapBytes = 256;

/**
 * Watches a guest's console log for the lines by which the agent says that it listens, or that it gave up.
 * `look` costs one stat when nothing was printed. It believes nothing: a sign only says when to look closer.
 */
export class ConsoleWatch {
  readonly #path: string;
  readonly #readyLine: string;
  readonly #buffer = Buffer.alloc(lookBytes);
  #seenBytes = 0;
  #sign: ConsoleSign = "none";

  constructor(path: string, vmId: string) {
    this.#path = path;
    this.#readyLine = `ember-guest: ready ${vmId}`;
  }

  look(): ConsoleSign {
    if (this.#sign === "fatal") return this.#sign;
    const text = this.#readNew();
    if (text.includes("ember-guest: fatal:")) this.#sign = "fatal";
    else if (text.includes(this.#readyLine)) this.#sign = "ready";
    return this.#sign;
  }

  #readNew(): string {
    let file: number;
    try {
      file = openSync(this.#path, "r");
    } catch {
      return ""; // the hypervisor has not made it yet
    }
    try {
      const sizeBytes = fstatSync(file).size;
      if (sizeBytes === this.#seenBytes) return "";
      const from = Math.max(0, Math.min(this.#seenBytes - overlapBytes, sizeBytes), sizeBytes - lookBytes);
      const count = readSync(file, this.#buffer, 0, lookBytes, from);
      this.#seenBytes = sizeBytes;
      return this.#buffer.toString("latin1", 0, count);
    } finally {
      closeSync(file);
    }
  }
}
