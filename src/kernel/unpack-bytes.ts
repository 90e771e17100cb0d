import { EmberError } from "../errors/ember-error.ts";
import { openCompressed } from "../image/tar/compressed.ts";

/**
 * `bytes`, unpacked when they are compressed (gzip, xz, zstd). Throws `image-invalid` when they are damaged or unpack to
 * more than `limitBytes`, `tool-missing`, `interrupted`.
 */
export async function unpackBytes(
  bytes: Buffer,
  limitBytes: number,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  const { compression, content } = await openCompressed(once(bytes), { signal });
  if (compression === "none") return bytes;
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of content) {
    refuseAborted(signal);
    size += part.length;
    if (size > limitBytes) {
      throw new EmberError(
        "image-invalid",
        `the ${compression} data unpacks to more than ${limitBytes} bytes`,
      );
    }
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** For loops over streams that do not look at the signal themselves. Throws `interrupted`. */
export function refuseAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new EmberError("interrupted", "unpacking was interrupted");
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
