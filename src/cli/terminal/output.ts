import { fstatSync, statSync, writeSync } from "node:fs";
import { errnoCode } from "../../errors/ember-error.ts";

/** One of the two output streams of the process. */
export interface Output {
  /** Writes all of it before it returns; once the reader has gone away it does nothing. */
  write(text: string | Uint8Array): void;
  readonly isTerminal: boolean;
  /** Width and height of the terminal; 80 x 24 where there is none. */
  readonly columns: number;
  readonly rows: number;
  /** The same as a stream, for data that flows from a guest. Loaded when first asked for: it is slow to set up. */
  readonly stream: NodeJS.WritableStream;
}

/**
 * An output over a file descriptor. Writes are synchronous, so that nothing is lost at exit and a command that only
 * prints never loads the stream machinery. `onBrokenPipe` is called once, when the reader has gone away.
 */
export function createOutput(
  descriptor: 1 | 2,
  openStream: () => NodeJS.WriteStream,
  onBrokenPipe: () => void,
): Output {
  let broken = false;
  const breakPipe = (): void => {
    if (broken) return;
    broken = true;
    onBrokenPipe();
  };
  let stream: NodeJS.WriteStream | undefined;
  const opened = (): NodeJS.WriteStream => {
    if (stream === undefined) {
      stream = openStream();
      stream.on("error", breakPipe);
    }
    return stream;
  };
  const isTerminal = mayBeTerminal(descriptor) && opened().isTTY === true;
  return {
    isTerminal,
    get columns() {
      return (isTerminal ? opened().columns : undefined) || 80;
    },
    get rows() {
      return (isTerminal ? opened().rows : undefined) || 24;
    },
    get stream() {
      return opened();
    },
    write(text) {
      if (!broken && !writeAll(descriptor, text)) breakPipe();
    },
  };
}

/** Cheap and never wrong with "no": asking the runtime costs ten milliseconds. */
function mayBeTerminal(descriptor: number): boolean {
  try {
    const status = fstatSync(descriptor);
    return status.isCharacterDevice() && status.rdev !== statSync("/dev/null").rdev;
  } catch {
    return false; // a closed descriptor is no terminal
  }
}

/** False when nobody reads any more (or the descriptor is closed). */
function writeAll(descriptor: number, text: string | Uint8Array): boolean {
  let rest: Uint8Array = typeof text === "string" ? new TextEncoder().encode(text) : text;
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest));
    } catch (error) {
      const code = errnoCode(error);
      if (code === "EPIPE" || code === "EBADF") return false;
      if (code !== "EAGAIN") throw error;
      // Someone made the shared pipe non-blocking and it is full: wait for the reader.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
  return true;
}
