import type { Readable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";

/**
 * The pieces of a stream, which goes on while its reader is busy, up to `limitBytes` of what nobody has taken yet: by
 * events, since an iteration asks for a piece only when the one before is done with. `release` is
 * told of each that the reader has done with. The stream is destroyed in the end.
 */
export async function* readAhead(
  stream: Readable,
  { limitBytes, release }: { readonly limitBytes: number; readonly release: (piece: Uint8Array) => void },
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
  const finish = (how: { readonly error?: unknown }): void => {
    end ??= how;
    wake();
  };
  stream.once("end", () => finish({}));
  stream.once("error", (error) => finish({ error }));
  stream.once("close", () => finish({ error: new Error("the stream was closed before its end") }));
  try {
    for (;;) {
      const piece = pieces.shift();
      if (piece !== undefined) {
        bytes -= piece.length;
        if (stream.isPaused()) stream.resume();
        yield piece;
        release(piece);
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
