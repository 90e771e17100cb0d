import * as zlib from "node:zlib";
import { EmberError } from "../../errors/ember-error.ts";
import { frameLength } from "../tar/zstd-frames.ts";
import type { Compression } from "./qcow2-format.ts";

/**
 * A cluster of `clusterBytes`; `data` begins with its compressed form, and what follows is something else's. Throws `io-failed`
 * for what cannot be decompressed, or is not a cluster then; `path` is the file's, for people.
 */
export function decompressCluster(
  data: Buffer,
  compression: Compression,
  clusterBytes: number,
  path: string,
): Buffer {
  try {
    const cluster = decompress(data, compression, clusterBytes);
    if (cluster.length === clusterBytes) return cluster;
  } catch (error) {
    if (error instanceof EmberError) throw error;
    throw new EmberError("io-failed", `'${path}' is damaged: a compressed cluster cannot be read`, {
      cause: error,
    });
  }
  throw new EmberError("io-failed", `'${path}' is damaged: a compressed cluster is too short`);
}

function decompress(data: Buffer, compression: Compression, maxOutputLength: number): Buffer {
  if (compression === "deflate") return zlib.inflateRawSync(data, { maxOutputLength });
  if (typeof zlib.zstdDecompressSync !== "function") {
    throw new EmberError(
      "unsupported",
      "a disk that is compressed with zstd cannot be read by this runtime",
      {
        hint: "use Node 22.15 or newer",
      },
    );
  }
  // What follows would be taken for another frame.
  return zlib.zstdDecompressSync(data.subarray(0, frameLength(data) ?? 0), { maxOutputLength });
}
