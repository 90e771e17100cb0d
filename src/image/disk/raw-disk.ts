import { type FileHandle, open } from "node:fs/promises";
import { EmberError } from "../../errors/ember-error.ts";
import { type BlockReader, checkRange } from "./block-reader.ts";

/** `length` bytes of a file; fewer where the file ends before. */
export async function readAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
    if (bytesRead === 0) return bytes.subarray(0, done);
    done += bytesRead;
  }
  return bytes;
}

/** A disk in a raw file or on a block device. `sizeBytes`: for a device, whose size a file's facts do not tell. */
export async function openRaw(path: string, sizeBytes?: number): Promise<BlockReader> {
  const file = await open(path, "r");
  try {
    const disk = { name: path, sizeBytes: sizeBytes ?? (await file.stat()).size };
    return {
      ...disk,
      async read(offset, length) {
        checkRange(disk, offset, length);
        const bytes = await readAt(file, offset, length);
        if (bytes.length === length) return bytes;
        throw new EmberError("io-failed", `'${path}' ended while it was read`);
      },
      [Symbol.asyncDispose]: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}
