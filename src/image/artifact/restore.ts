import { closeSync, ftruncateSync, lstatSync, mkdirSync, openSync, rmSync } from "node:fs";
import { open, readFile, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import type { Installation } from "../../installation.ts";
import { type ImageRecord, listImages } from "../../state/images.ts";
import type { TaskOptions } from "../../types.ts";
import type { BlockReader } from "../disk/block-reader.ts";
import { openDisk } from "../disk/open-disk.ts";
import { blobsOf, dropLayers, keepLayers, layerCacheOf, takeLayers } from "../layer-cache.ts";
import type { WrittenDisk } from "../layers.ts";
import { digestOf, documentLimitBytes, readBlob } from "../oci/blobs.ts";
import { invalidImage } from "../oci/invalid.ts";
import { parseJson } from "../oci/parse.ts";
import { type Descriptor, type Manifest, manifestSchema } from "../oci/schemas.ts";
import type { FetchedImage } from "../origins/origin.ts";
import { copyToLayout, fetchManifest, layoutName, type SkopeoSource } from "../skopeo/skopeo.ts";
import { decompressChunk } from "./compress.ts";
import {
  chunkType,
  type DiskChunk,
  type DiskConfig,
  diskConfigSchema,
  diskConfigType,
  largestChunkBytes,
} from "./format.ts";
import { cloneOfImage } from "./push.ts";

/** Fetches an artifact; see ImageOrigin.fetch. `source` names it by its digest. */
export type ArtifactFetcher = (
  source: SkopeoSource,
  digest: string,
  folder: string,
  task: TaskOptions,
) => Promise<FetchedImage>;

export function isArtifact(layers: readonly Pick<Descriptor, "mediaType">[]): boolean {
  return layers.some(({ mediaType }) => mediaType === chunkType);
}

/**
 * Chunks that the base image's disk on this host has are read there and never fetched: in the layout that skopeo fills,
 * a hole of the same size stands in for them. That layout is never the one that fetched layers are kept from unseen.
 */
export function artifactFetcher(installation: Installation): ArtifactFetcher {
  return async (source, digest, folder, task) => {
    const manifest = parseJson(await fetchManifest(source, task.signal), manifestSchema, "the manifest");
    checkManifest(manifest);
    const cache = layerCacheOf(installation.paths.stateDir);
    const [docs, data] = [join(folder, "description"), join(folder, "disk")];
    for (const path of [docs, data]) mkdirSync(path, { mode: 0o700 });
    const config = await fetchConfig(source, manifest, docs, task);
    const layout = join(data, layoutName);
    const keptBytes = takeLayers(
      cache,
      layout,
      [...manifest.layers, manifest.config].map((one) => one.digest),
    );
    const base = baseOf(installation, config);
    const cloneId = basename(folder); // of the image that is made: what undoes that removes the clone too
    const local = base === undefined ? [] : await localChunks(installation, base, config, cloneId, task);
    const holes = makeHoles(layout, manifest, config, new Set(local.map(({ at }) => at)));
    const missing = manifest.layers.filter(({ digest }) => !isThere(layout, digest));
    const total = missing.reduce((sum, { size }) => sum + size, 0);
    await copyToLayout(source, data, { ...task, totalBytes: () => total });
    for (const hole of holes) rmSync(hole);
    keepLayers(cache, layout);
    const restore: Restore = { installation, config, manifest, layout, base, cloneId, cache };
    return {
      digest,
      architecture: config.architecture,
      config: config.config,
      layers: [],
      ...(keptBytes > 0 ? { keptBytes } : {}),
      writeDisk: (target, signal) => writeDisk(restore, target, { ...task, ...(signal && { signal }) }),
    };
  };
}

/** Only what the disk is made of, and no chunk of it: holes stand in for all of them. */
async function fetchConfig(
  source: SkopeoSource,
  manifest: Manifest,
  folder: string,
  task: TaskOptions,
): Promise<DiskConfig> {
  const layout = join(folder, layoutName);
  mkdirSync(blobsOf(layout), { recursive: true, mode: 0o700 });
  for (const layer of manifest.layers) makeHole(layout, layer);
  await copyToLayout(source, folder, task.signal === undefined ? {} : { signal: task.signal });
  const bytes = await readBlob(layout, manifest.config, "the disk's description");
  const config = parseJson(bytes, diskConfigSchema, "the disk's description");
  checkChunks(config, manifest);
  await rm(folder, { recursive: true, force: true });
  return config;
}

/** Before anything is fetched, or a hole made: sizes that a registry lies about cost nothing. */
function checkManifest({ config, layers }: Manifest): void {
  if (config.mediaType !== diskConfigType) throw invalidImage("the disk has no description");
  if (config.size > documentLimitBytes) throw invalidImage("the disk's description is too large");
  if (
    !layers.every(({ mediaType, size }) => mediaType === chunkType && size <= largestBlob(largestChunkBytes))
  ) {
    throw invalidImage("the disk has chunks that are too large, or of an unknown type");
  }
}

/** What does not compress becomes a little larger. */
function largestBlob(chunkBytes: number): number {
  return chunkBytes + 1024 * 1024;
}

function checkChunks({ chunks, chunkBytes, diskBytes }: DiskConfig, { layers }: Manifest): void {
  let before = -1;
  for (const { at, layer } of chunks) {
    if (at <= before || at * chunkBytes >= diskBytes || layer >= layers.length) {
      throw invalidImage("the disk's description has chunks that overlap, or lie outside the disk");
    }
    before = at;
  }
  if (layers.some(({ size }) => size > largestBlob(chunkBytes))) {
    throw invalidImage("a chunk of the disk is larger than it may be");
  }
}

function baseOf({ db }: Installation, { base, architecture }: DiskConfig): ImageRecord | undefined {
  if (base === null) return undefined;
  return listImages(db).find((image) => image.digest === base.digest && image.architecture === architecture);
}

async function localChunks(
  installation: Installation,
  base: ImageRecord,
  config: DiskConfig,
  cloneId: string,
  task: TaskOptions,
): Promise<DiskChunk[]> {
  await using disk = await cloneOfImage(installation, base, cloneId);
  await using reader = await openDisk(disk);
  const found: DiskChunk[] = [];
  for (const chunk of config.chunks) {
    task.signal?.throwIfAborted();
    task.onProgress?.({ step: `comparing with image ${base.name}` });
    if ((await readLocal(reader, chunk, config)) !== undefined) found.push(chunk);
  }
  return found;
}

/** Undefined when the disk has other bytes there. */
async function readLocal(
  reader: BlockReader,
  { at, digest }: DiskChunk,
  config: DiskConfig,
): Promise<Buffer | undefined> {
  const [offset, length] = [at * config.chunkBytes, lengthOf(at, config)];
  if (offset + length > reader.sizeBytes) return undefined;
  const bytes = await reader.read(offset, length);
  return digestOf(bytes) === digest ? bytes : undefined;
}

function lengthOf(at: number, { chunkBytes, diskBytes }: DiskConfig): number {
  return Math.min(chunkBytes, diskBytes - at * chunkBytes);
}

/** For the layers all of whose chunks are at hand. Returns the holes' paths. */
function makeHoles(
  layout: string,
  { layers }: Manifest,
  { chunks }: DiskConfig,
  local: ReadonlySet<number>,
): string[] {
  mkdirSync(blobsOf(layout), { recursive: true, mode: 0o700 });
  const needed = new Set(chunks.filter(({ at }) => !local.has(at)).map(({ layer }) => layer));
  return layers.flatMap((layer, index) => {
    if (needed.has(index) || isThere(layout, layer.digest)) return [];
    return [makeHole(layout, layer)];
  });
}

function pathOf(layout: string, digest: string): string {
  return join(blobsOf(layout), digest.slice("sha256:".length));
}

function isThere(layout: string, digest: string): boolean {
  return lstatSync(pathOf(layout, digest), { throwIfNoEntry: false }) !== undefined;
}

function makeHole(layout: string, { digest, size }: Descriptor): string {
  const path = pathOf(layout, digest);
  const file = openSync(path, "w", 0o600);
  try {
    ftruncateSync(file, size);
  } finally {
    closeSync(file);
  }
  return path;
}

interface Restore {
  readonly installation: Installation;
  readonly config: DiskConfig;
  readonly manifest: Manifest;
  readonly layout: string;
  readonly base: ImageRecord | undefined;
  readonly cloneId: string;
  readonly cache: string;
}

/** Every chunk is compared with its digest, so that the disk is the one that was pushed or none. */
async function writeDisk(restore: Restore, target: string, task: TaskOptions): Promise<WrittenDisk> {
  const { installation, base, cloneId } = restore;
  try {
    if (base === undefined) return await writeChunks(restore, undefined, target, task);
    await using disk = await cloneOfImage(installation, base, cloneId);
    await using reader = await openDisk(disk);
    return await writeChunks(restore, reader, target, task);
  } catch (error) {
    await rm(target, { force: true });
    throw error;
  }
}

async function writeChunks(
  restore: Restore,
  base: BlockReader | undefined,
  target: string,
  { signal, onProgress }: TaskOptions,
): Promise<WrittenDisk> {
  const { config } = restore;
  {
    await using file = await open(target, "w", 0o600);
    await file.truncate(config.diskBytes);
    for (const [done, chunk] of config.chunks.entries()) {
      signal?.throwIfAborted();
      const bytes = (base && (await readLocal(base, chunk, config))) ?? (await fetchedChunk(restore, chunk));
      await writeAll(file, bytes, chunk.at * config.chunkBytes);
      onProgress?.({ step: "writing the disk", done: done + 1, total: config.chunks.length });
    }
  }
  const usedBytes = (await stat(target)).blocks * 512;
  return { sizeBytes: config.diskBytes, usedBytes, inodeCount: 0, uuid: "", diffIds: [] };
}

async function writeAll(
  file: Awaited<ReturnType<typeof open>>,
  bytes: Buffer,
  offset: number,
): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
  }
}

async function fetchedChunk({ config, manifest, layout, cache }: Restore, chunk: DiskChunk): Promise<Buffer> {
  const layer = manifest.layers[chunk.layer]?.digest ?? "";
  try {
    const path = pathOf(layout, layer);
    if (!isThere(layout, layer)) throw invalidImage("a chunk of the disk is missing");
    if ((await stat(path)).size > largestBlob(config.chunkBytes)) throw invalidImage("a chunk is too large");
    const bytes = decompressChunk(await readFile(path), lengthOf(chunk.at, config));
    if (digestOf(bytes) === chunk.digest) return bytes;
    throw new EmberError("verification-failed", `chunk ${chunk.at} of the disk is not what was pushed`, {
      hint: "it was damaged or changed on the way: fetch it again",
    });
  } catch (error) {
    dropLayers(cache, [layer]);
    throw error;
  }
}
