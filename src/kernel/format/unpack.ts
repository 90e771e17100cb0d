import { EmberError } from "../../errors/ember-error.ts";
import { detectCompression } from "../../image/tar/compressed.ts";
import { unpackBytes } from "../unpack-bytes.ts";
import { invalidKernel } from "./invalid.ts";
import { isLz4Legacy, unpackLz4Legacy } from "./lz4-legacy.ts";

/** Uncompressed kernels, with everything built in, stay far below it. */
export const kernelLimitBytes: number = 512 * 1024 ** 2;

/**
 * The kernel inside a compressed payload, undefined for compressions that are not unpacked here (bzip2, lzma, lzo).
 * The build appends the unpacked size to all but gzip data, which has it anyway: the last four bytes either way.
 * Throws `kernel-invalid` when the payload is damaged, `tool-missing`, `interrupted`.
 */
export async function unpackPayload(payload: Buffer, signal?: AbortSignal): Promise<Buffer | undefined> {
  const compression = detectCompression(payload);
  const lz4 = isLz4Legacy(payload);
  if (payload.length < 16 || (compression === "none" && !lz4)) return undefined;
  const size = payload.readUInt32LE(payload.length - 4);
  if (size > kernelLimitBytes) throw invalidKernel("unpacks to more than a kernel can be");
  const packed = compression === "gzip" ? payload : payload.subarray(0, -4);
  const unpacked = lz4
    ? unpackLz4Legacy(packed, size)
    : await unpackOrUndefined(() => unpackBytes(packed, size, signal));
  if (unpacked?.length !== size) throw invalidKernel("is a kernel whose compressed part is damaged");
  return unpacked;
}

/** A file that was compressed as a whole, unpacked; undefined when it is not compressed. Throws `kernel-invalid`. */
export async function unpackWhole(bytes: Buffer, signal?: AbortSignal): Promise<Buffer | undefined> {
  const compression = detectCompression(bytes);
  if (compression === "none") return undefined;
  const unpacked = await unpackOrUndefined(() => unpackBytes(bytes, kernelLimitBytes, signal));
  if (unpacked === undefined) throw invalidKernel(`is a damaged ${compression} file`);
  return unpacked;
}

async function unpackOrUndefined(unpack: () => Promise<Buffer>): Promise<Buffer | undefined> {
  try {
    return await unpack();
  } catch (error) {
    if (error instanceof EmberError && error.code === "image-invalid") return undefined;
    throw error;
  }
}
