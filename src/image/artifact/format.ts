import * as v from "valibot";
import type { ImageConfig } from "../../types.ts";

/**
 * A disk as an OCI artifact: one manifest, whose layers are chunks of the disk. A chunk is `chunkBytes` of the disk from
 * a multiple of that on (the last may be shorter), compressed on its own; one of zeros alone is left out. Chunks lie at
 * fixed offsets, so disks of one origin have most of them in common, and a registry keeps those once.
 */
export const artifactType = "application/vnd.ember.disk.v1";
export const diskConfigType = "application/vnd.ember.disk.config.v1+json";
export const chunkType = "application/vnd.ember.disk.chunk.v1";

/** Where the chunk size begins; it is doubled for disks that have more chunks than a manifest may have layers. */
export const smallestChunkBytes: number = 4 * 1024 ** 2;
export const largestChunkBytes: number = 64 * 1024 ** 2;
export const mostChunks = 1000;
const largestDiskBytes = 16 * 1024 ** 4;

export interface DiskChunk {
  /** The chunk's offset in chunks. */
  readonly at: number;
  /** Digest of its bytes on the disk. */
  readonly digest: string;
  /** Which of the manifest's layers has them: several chunks may have the same. */
  readonly layer: number;
}

/** Says nothing that was given to a VM, such as its environment or its keys. */
export interface DiskConfig {
  readonly version: 1;
  readonly os: "linux";
  readonly architecture: string;
  readonly diskBytes: number;
  readonly chunkBytes: number;
  /** The image that the disk was made from; null when the disk is an image's own. */
  readonly base: { readonly name: string; readonly digest: string } | null;
  readonly config: ImageConfig;
  /** By offset. What is in none is zeros. */
  readonly chunks: readonly DiskChunk[];
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const digest = v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/, "it must be a sha256 digest"));
const words = v.array(v.string());

export const diskConfigSchema: v.GenericSchema<unknown, DiskConfig> = v.object({
  version: v.literal(1),
  os: v.literal("linux"),
  architecture: v.pipe(v.string(), v.regex(/^[a-z0-9]{1,32}$/)),
  diskBytes: v.pipe(count, v.minValue(512), v.multipleOf(512), v.maxValue(largestDiskBytes)),
  chunkBytes: v.pipe(count, v.minValue(4096), v.multipleOf(4096), v.maxValue(largestChunkBytes)),
  base: v.nullable(v.object({ name: v.string(), digest })),
  config: v.object({
    entrypoint: words,
    command: words,
    environment: words,
    user: v.string(),
    workdir: v.string(),
    stopSignal: v.string(),
    exposedPorts: words,
    labels: v.record(v.string(), v.string()),
  }),
  chunks: v.pipe(
    v.array(v.object({ at: count, digest, layer: count })),
    v.maxLength(largestDiskBytes / 4096),
  ),
});
