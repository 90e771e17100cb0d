import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import type { TaskOptions } from "../../types.ts";
import type { BlockReader } from "../disk/block-reader.ts";
import { blobsOf } from "../layer-cache.ts";
import { digestOf } from "../oci/blobs.ts";
import { layoutTag } from "../skopeo/skopeo.ts";
import { compressChunk } from "./compress.ts";
import {
  artifactType,
  chunkType,
  type DiskChunk,
  type DiskConfig,
  diskConfigType,
  largestChunkBytes,
  mostChunks,
  smallestChunkBytes,
} from "./format.ts";

/** What is said of a disk beside its bytes. */
export type DiskFacts = Pick<DiskConfig, "architecture" | "base" | "config">;

interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const manifestType = "application/vnd.oci.image.manifest.v1+json";

/**
 * Writes a disk as an artifact into the OCI layout `layout`, under the tag `layoutTag`. Returns its digest.
 * Throws `unsupported` for a disk with too much on it, `disk-full`, `io-failed`, `interrupted`.
 */
export async function writeArtifact(
  disk: BlockReader,
  facts: DiskFacts,
  layout: string,
  task: TaskOptions = {},
): Promise<string> {
  mkdirSync(blobsOf(layout), { recursive: true, mode: 0o700 });
  const chunkBytes = await chunkBytesFor(disk, task);
  const { chunks, layers } = await writeChunks(disk, chunkBytes, layout, task);
  const config: DiskConfig = {
    version: 1,
    os: "linux",
    ...facts,
    diskBytes: disk.sizeBytes,
    chunkBytes,
    chunks,
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: manifestType,
    artifactType,
    config: writeBlob(layout, diskConfigType, json(config)),
    layers,
  };
  const entry = writeBlob(layout, manifestType, json(manifest));
  const annotations = { "org.opencontainers.image.ref.name": layoutTag };
  writeFileSync(join(layout, "oci-layout"), json({ imageLayoutVersion: "1.0.0" }));
  writeFileSync(
    join(layout, "index.json"),
    json({ schemaVersion: 2, manifests: [{ ...entry, annotations }] }),
  );
  return entry.digest;
}

/** The smallest size with which the disk has not too many chunks. */
async function chunkBytesFor(disk: BlockReader, task: TaskOptions): Promise<number> {
  let used: number[] = [];
  for await (const { at } of chunksOf(disk, smallestChunkBytes, "looking at the disk", task)) used.push(at);
  for (let bytes = smallestChunkBytes; bytes <= largestChunkBytes; bytes *= 2) {
    if (used.length <= mostChunks) return bytes;
    used = [...new Set(used.map((at) => Math.floor(at / 2)))];
  }
  throw new EmberError("unsupported", "there is too much on the disk for an artifact", {
    hint: "delete what is not needed, then 'ember storage trim'",
  });
}

async function writeChunks(
  disk: BlockReader,
  chunkBytes: number,
  layout: string,
  task: TaskOptions,
): Promise<{ chunks: DiskChunk[]; layers: Blob[] }> {
  const chunks: DiskChunk[] = [];
  const layers: Blob[] = [];
  const layerOf = new Map<string, number>();
  for await (const { at, bytes } of chunksOf(disk, chunkBytes, "compressing the disk", task)) {
    const digest = digestOf(bytes);
    const layer = layerOf.get(digest) ?? layers.length;
    if (layer === layers.length) {
      layers.push(writeBlob(layout, chunkType, compressChunk(bytes)));
      layerOf.set(digest, layer);
    }
    chunks.push({ at, digest, layer });
  }
  return { chunks, layers };
}

/** Those that are not zeros alone. The bytes hold until the next is asked for. */
async function* chunksOf(
  disk: BlockReader,
  chunkBytes: number,
  step: string,
  { signal, onProgress }: TaskOptions,
): AsyncGenerator<{ at: number; bytes: Buffer }> {
  const zeros = Buffer.alloc(chunkBytes);
  for (let at = 0; at * chunkBytes < disk.sizeBytes; at++) {
    signal?.throwIfAborted();
    const length = Math.min(chunkBytes, disk.sizeBytes - at * chunkBytes);
    const bytes = await disk.read(at * chunkBytes, length);
    if (!bytes.equals(zeros.subarray(0, length))) yield { at, bytes };
    onProgress?.({ step, done: at * chunkBytes + length, total: disk.sizeBytes });
  }
}

function writeBlob(layout: string, mediaType: string, bytes: Buffer): Blob {
  const digest = digestOf(bytes);
  writeFileSync(join(blobsOf(layout), digest.slice("sha256:".length)), bytes, { mode: 0o600 });
  return { mediaType, digest, size: bytes.length };
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
