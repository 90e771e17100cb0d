import { EmberError } from "../../src/errors/ember-error.ts";
import { findRoot } from "../../src/image/cloud/find-root.ts";
import { memoryDisk } from "../../src/image/disk/testing/memory-disk.ts";
import { toImageConfig } from "../../src/image/oci/config.ts";
import { parseJson } from "../../src/image/oci/parse.ts";
import { anyManifestSchema, configSchema, indexSchema, manifestSchema } from "../../src/image/oci/schemas.ts";
import { repairGpt } from "../../src/image/partitions/testing/tables.ts";
import { openCompressed } from "../../src/image/tar/compressed.ts";
import { TarReader } from "../../src/image/tar/reader.ts";
import { withChecksum } from "../../src/image/tar/testing/tar-builder.ts";

/** What reads bytes of strangers. It refuses them with one of `refusals`, or takes them; all else is a fault. */
export interface FuzzTarget {
  readonly refusals: readonly string[];
  read(bytes: Uint8Array): Promise<void>;
  /** Puts right what would keep the reader from looking further, such as checksums. */
  readonly repair?: (bytes: Buffer) => void;
}

export const targets: Readonly<Record<string, FuzzTarget>> = {
  tar: { refusals: ["image-invalid"], read: readTar, repair: repairHeaders },
  disk: { refusals: ["image-invalid", "unsupported", "io-failed"], read: readDisk, repair: repairGpt },
  manifest: { refusals: ["image-invalid", "verification-failed"], read: readManifest },
};

/** Undefined when the target did what it may; else what it did. `limitMs`: no input of this size takes longer. */
export async function faultOf(
  { refusals, read }: FuzzTarget,
  bytes: Uint8Array,
  limitMs: number,
): Promise<string | undefined> {
  const started = performance.now();
  try {
    await read(bytes);
  } catch (error) {
    if (!(error instanceof EmberError)) return `threw ${error instanceof Error ? error.stack : error}`;
    if (!refusals.includes(error.code)) return `refused with ${error.code}: ${error.message}`;
    // Names may be of any script; what a terminal obeys or shows turned around may not come through.
    if (/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/u.test(error.message))
      return `says what a terminal may obey: ${JSON.stringify(error.message)}`;
  }
  const tookMs = performance.now() - started;
  return tookMs > limitMs ? `took ${Math.round(tookMs)} ms` : undefined;
}

function repairHeaders(bytes: Buffer): void {
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    if (bytes.toString("latin1", at + 257, at + 262) === "ustar") withChecksum(bytes.subarray(at, at + 512));
  }
}

/** As a layer is read: decompressed, entry by entry, a few bytes of each body. */
async function readTar(bytes: Uint8Array): Promise<void> {
  async function* chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
  }
  const { content } = await openCompressed(chunks());
  const reader = new TarReader(content);
  try {
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
      if (entry.path.includes("\0")) throw new Error("a path has a zero byte");
    }
    await reader.drain();
  } finally {
    await reader.close();
  }
}

/** As a cloud image is: the partition tables, what lies on each partition, and a look inside. */
async function readDisk(bytes: Uint8Array): Promise<void> {
  const disk = memoryDisk(bytes);
  const root = await findRoot(disk);
  if (root.disk.sizeBytes > disk.sizeBytes) throw new Error("the root is larger than its disk");
  await root.disk.read(root.disk.sizeBytes - 1, 1);
}

/** As all documents of a registry are read: any may come for any other. */
async function readManifest(bytes: Uint8Array): Promise<void> {
  let refusal: unknown;
  for (const read of [
    () => parseJson(bytes, anyManifestSchema, "the document"),
    () => parseJson(bytes, indexSchema, "the document"),
    () => parseJson(bytes, manifestSchema, "the document"),
    () => toImageConfig(parseJson(bytes, configSchema, "the document")),
  ]) {
    try {
      read();
    } catch (error) {
      if (!(error instanceof EmberError)) throw error;
      refusal = error;
    }
  }
  if (refusal !== undefined) throw refusal;
}
