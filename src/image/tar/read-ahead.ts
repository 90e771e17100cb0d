import type { Readable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { free } from "./free.ts";

/**
 * The pieces of a stream, each valid until the next one is asked for. The stream goes on while its reader is busy, up to
 * `limitBytes` of what nobody has taken yet: by events, since an iteration asks for a piece only when the one before is
 * done with. The stream is destroyed in the end.
 */
export async function* readAhead(
  stream: Readable,
  limitBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  let end: { readonly error?: unknown } | undefined;
  let wake = (): void => undefined;
  stream.on("data", (piece: Uint8Array) => {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes > limitBytes) stream.pause();
    wake();
  });
  const finish = (error?: unknown): void => {
    end ??= error === undefined || error === null ? {} : { error };
    wake();
  };
  stream.once("end", finish).once("error", finish).once("close", finish);
  try {
    for (;;) {
      const piece = pieces.shift();
      if (piece !== undefined) {
        bytes -= piece.length;
        if (stream.isPaused()) stream.resume();
        yield piece;
        free(piece);
        await turn(); // else what comes meanwhile would wait until all that is here was taken
      } else if (end === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      } else break;
    }
    if ("error" in end) throw end.error;
  } finally {
    stream.destroy();
  }
}
