import { setImmediate as turn } from "node:timers/promises";
import { free } from "./free.ts";

/**
 * The pieces of a source, each valid until the next one is asked for. The source is read on while its reader is busy: up to
 * `limitBytes` of what nobody has taken yet, and one piece. An error comes after the pieces before it. Reading begins at once.
 */
export function readAhead(
  source: AsyncIterable<Uint8Array>,
  limitBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  let end: { readonly error?: unknown } | undefined;
  let isStopped = false;
  let wake = (): void => undefined;
  const change = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
    });

  async function pump(): Promise<void> {
    while (!isStopped) {
      if (bytes > limitBytes) {
        await change();
        continue;
      }
      const next = await iterator.next();
      if (next.done === true) break;
      pieces.push(next.value);
      bytes += next.value.length;
      wake();
    }
  }
  const pumping = pump().then(
    () => {
      end = {};
      wake();
    },
    (error: unknown) => {
      end = { error };
      wake();
    },
  );

  async function* taken(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        const piece = pieces.shift();
        if (piece !== undefined) {
          bytes -= piece.length;
          wake();
          yield piece;
          free(piece);
          await turn(); // else what was read meanwhile would wait until all that is here was taken
        } else if (end === undefined) await change();
        else break;
      }
      if ("error" in end) throw end.error;
    } finally {
      isStopped = true;
      wake();
      await pumping;
      await iterator.return?.();
    }
  }
  return taken();
}
