import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";

export interface GrowthWatch extends Disposable {
  /** Aborts when the caller's signal does, when the folder has not grown for too long, or when it is larger than it may be. */
  readonly signal: AbortSignal;
}

const pollMs = 250;

/**
 * Watches a folder that a tool writes to: tells how it grows, and aborts once it has not for `stallMs`, or holds more than
 * `limitBytes`. So a slow download is left alone, one that is stuck is not waited for for ever, and one that never ends fills no disk.
 */
export function watchGrowth(
  folder: string,
  options: {
    readonly stallMs: number;
    readonly limitBytes?: number | undefined;
    readonly signal?: AbortSignal | undefined;
    readonly onGrowth: (bytes: number) => void;
  },
): GrowthWatch {
  const ended = new AbortController();
  let bytes = -1;
  let grownAt = performance.now();
  const timer = setInterval(() => {
    const now = bytesIn(folder);
    if (now !== bytes) {
      bytes = now;
      grownAt = performance.now();
      options.onGrowth(now);
      if (options.limitBytes !== undefined && now > options.limitBytes) {
        const message = `it sends more than the ${options.limitBytes} bytes that there can be`;
        ended.abort(new EmberError("verification-failed", message));
      }
    } else if (performance.now() - grownAt > options.stallMs) {
      ended.abort(
        new EmberError("timeout", `nothing has arrived for ${Math.round(options.stallMs / 1000)} s`),
      );
    }
  }, pollMs);
  timer.unref();
  const signals = options.signal === undefined ? [ended.signal] : [options.signal, ended.signal];
  return {
    signal: AbortSignal.any(signals),
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

/** Bytes of all files in a folder; what comes and goes meanwhile counts for nothing. */
function bytesIn(folder: string): number {
  let total = 0;
  for (const name of namesIn(folder)) {
    const facts = lstatSync(join(folder, name), { throwIfNoEntry: false });
    if (facts?.isFile() === true) total += facts.size;
  }
  return total;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: "utf8" });
  } catch {
    return []; // not there yet, or changed while it was read
  }
}
