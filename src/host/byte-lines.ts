const newline = 10;

/**
 * Splits what a tool prints into lines without making strings of them: some tools print hundreds of megabytes. Feed
 * chunks to `write`; `onLine` gets the place of each line that ended.
 */
export function byteLines(onLine: (bytes: Buffer, start: number, end: number) => void): {
  readonly write: (chunk: Buffer) => void;
} {
  let rest: Buffer | undefined;
  return {
    write: (chunk) => {
      const bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk]);
      let start = 0;
      for (;;) {
        const end = bytes.indexOf(newline, start);
        if (end === -1) break;
        onLine(bytes, start, end);
        start = end + 1;
      }
      rest = start === bytes.length ? undefined : bytes.subarray(start);
    },
  };
}
