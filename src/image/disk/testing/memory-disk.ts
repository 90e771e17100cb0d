import { type BlockReader, checkRange } from "../block-reader.ts";

/** A disk in memory. */
export function memoryDisk(bytes: Uint8Array): BlockReader {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    name: "memory",
    sizeBytes: whole.length,
    async read(offset, length) {
      checkRange(this, offset, length);
      return whole.subarray(offset, offset + length);
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}
