import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { EmberError, errnoCode } from "../../errors/ember-error.ts";
import type { LayerSource } from "../layers.ts";
import { shown } from "../reference.ts";
import { invalidImage } from "./invalid.ts";
import type { Descriptor } from "./schemas.ts";

/** Manifests and configurations are held in memory; registries refuse manifests of more than 4 MiB. */
export const documentLimitBytes: number = 8 * 1024 * 1024;

/** How much of a layer is read at once. */
const chunkBytes = 256 * 1024;

/** A file of the layout, no longer than a document may be. Throws `image-invalid`, `file-not-found`. */
export async function readDocument(path: string, what: string): Promise<Buffer> {
  await checkFile(path, what, documentLimitBytes);
  await using file = await open(path, "r");
  const buffer = Buffer.alloc(documentLimitBytes + 1); // it may grow while it is read
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length);
    if (bytesRead === 0) return Buffer.from(buffer.subarray(0, length));
    length += bytesRead;
    if (length > documentLimitBytes) throw tooLarge(what);
  }
}

/** A manifest or configuration, exactly as its descriptor says. Throws `image-invalid`, `verification-failed`. */
export async function readBlob(folder: string, descriptor: Descriptor, what: string): Promise<Buffer> {
  if (descriptor.size > documentLimitBytes) throw tooLarge(what);
  const bytes = await readDocument(blobPath(folder, descriptor.digest), what);
  if (bytes.length !== descriptor.size) {
    throw new EmberError(
      "verification-failed",
      `${what} has ${bytes.length} bytes instead of the ${descriptor.size} promised`,
    );
  }
  const found = digestOf(bytes);
  if (found !== descriptor.digest) {
    throw new EmberError(
      "verification-failed",
      `${what} has the digest ${found} instead of ${descriptor.digest}`,
      {
        hint: "it was damaged or changed on the way: fetch it again",
      },
    );
  }
  return bytes;
}

/** A layer's blob; its digest and size are checked as it is read. Throws `image-invalid` when it is not there. */
export async function layerSource(
  folder: string,
  descriptor: Descriptor,
  diffId: string,
): Promise<LayerSource> {
  const path = blobPath(folder, descriptor.digest);
  await checkFile(path, `layer ${descriptor.digest}`, Number.MAX_SAFE_INTEGER);
  return {
    open: async () => createReadStream(path, { highWaterMark: chunkBytes }),
    digest: descriptor.digest,
    diffId,
    sizeBytes: descriptor.size,
  };
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** `digest` has passed the schema, so that it is safe in a path. */
function blobPath(folder: string, digest: string): string {
  return join(folder, "blobs", "sha256", digest.slice("sha256:".length));
}

/** A device or a fifo in a layout would be read for ever. */
async function checkFile(path: string, what: string, limitBytes: number): Promise<void> {
  try {
    const facts = await stat(path);
    if (!facts.isFile()) throw invalidImage(`${what} is not a file ('${shown(path)}')`);
    if (facts.size > limitBytes) throw tooLarge(what);
  } catch (error) {
    if (errnoCode(error) === "ENOENT" || errnoCode(error) === "ENOTDIR") {
      throw invalidImage(`${what} is missing ('${shown(path)}')`, error);
    }
    throw error;
  }
}

function tooLarge(what: string): EmberError {
  return invalidImage(`${what} is larger than ${documentLimitBytes} bytes`);
}
