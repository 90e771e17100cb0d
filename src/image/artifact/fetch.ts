import { mkdirSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Installation } from "../../installation.ts";
import { type ImageRecord, listImages } from "../../state/images.ts";
import type { TaskOptions } from "../../types.ts";
import { openDisk } from "../disk/open-disk.ts";
import { blobsOf, keepLayers, layerCacheOf, takeLayers } from "../layer-cache.ts";
import { readBlob } from "../oci/blobs.ts";
import { parseJson } from "../oci/parse.ts";
import { type Descriptor, type Manifest, manifestSchema } from "../oci/schemas.ts";
import type { FetchedImage } from "../origins/origin.ts";
import { copyLimit, copyToLayout, fetchManifest, layoutName, type SkopeoSource } from "../skopeo/skopeo.ts";
import { checkChunks, checkManifest } from "./check.ts";
import { chunkType, type DiskChunk, type DiskConfig, diskConfigSchema } from "./format.ts";
import { isThere, makeHole, makeHoles } from "./holes.ts";
import { readLocal } from "./local.ts";
import { cloneOfImage } from "./push.ts";
import { type Restore, writeDisk } from "./restore.ts";

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
    const limitBytes = copyLimit(manifest.layers);
    await copyToLayout(source, data, { ...task, totalBytes: () => total, limitBytes });
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
