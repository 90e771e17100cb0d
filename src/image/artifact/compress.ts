import * as zlib from "node:zlib";
import { EmberError } from "../../errors/ember-error.ts";
import { invalidImage } from "../oci/invalid.ts";
import { detectCompression } from "../tar/compressed.ts";

/** The same bytes give the same blob with the same version of ember. zstd where the runtime has it, else gzip. */
export function compressChunk(bytes: Uint8Array): Buffer {
  if (typeof zlib.zstdCompressSync === "function") return zlib.zstdCompressSync(bytes);
  return zlib.gzipSync(bytes, { level: 6 });
}

/** Never more than `length` bytes, whatever the blob would become. Throws `image-invalid`, `unsupported`. */
export function decompressChunk(blob: Buffer, length: number): Buffer {
  const bytes = decompress(blob, length);
  if (bytes.length === length) return bytes;
  throw invalidImage(`a chunk of the disk has ${bytes.length} bytes instead of ${length}`);
}

function decompress(blob: Buffer, maxOutputLength: number): Buffer {
  const compression = detectCompression(blob);
  if (compression === "zstd" && typeof zlib.zstdDecompressSync !== "function") {
    throw new EmberError("unsupported", "this runtime cannot decompress zstd", {
      hint: "use the ember program, or Node 22.15 or newer",
    });
  }
  try {
    if (compression === "zstd") return zlib.zstdDecompressSync(blob, { maxOutputLength });
    if (compression === "gzip") return zlib.gunzipSync(blob, { maxOutputLength });
  } catch (error) {
    throw invalidImage("a chunk of the disk is damaged, or larger than it may be", error);
  }
  throw invalidImage("a chunk of the disk is neither zstd nor gzip");
}
