import type { Installation } from "../installation.ts";
import { listImages } from "../state/images.ts";
import { vmsOfImage } from "../state/vms.ts";
import type { ImagePruneReport, TaskOptions } from "../types.ts";
import { layerCacheOf, pruneLayers } from "./layer-cache.ts";

export interface PruneImagesOptions {
  /** Only images that were made longer ago. */
  readonly olderThanMs?: number;
  /** Only images, and layers, that were of no use for so long. */
  readonly unusedForMs?: number;
}

/**
 * Deletes the images that no VM was made from and for which both ages hold, and the layers that no pull had use for in that
 * time. Throws what deleting an image throws, with those before it deleted.
 */
export async function pruneImages(
  installation: Installation,
  deleteImage: (name: string, task: TaskOptions) => Promise<void>,
  { olderThanMs = 0, unusedForMs = 0, ...task }: PruneImagesOptions & TaskOptions,
): Promise<ImagePruneReport> {
  const nowMs = Date.now();
  const images: string[] = [];
  let freedBytes = 0;
  for (const { id, name, usedBytes, createdAt, lastUsedAt } of listImages(installation.db)) {
    if (Date.parse(createdAt) > nowMs - olderThanMs) continue;
    // One that nobody has used yet may be meant for the next VM: it counts from when it was made.
    if (Date.parse(lastUsedAt ?? createdAt) > nowMs - unusedForMs) continue;
    if (vmsOfImage(installation.db, id).length > 0) continue;
    task.onProgress?.({ step: `deleting ${name}` });
    await deleteImage(name, task);
    images.push(name);
    freedBytes += usedBytes;
  }
  const cache = layerCacheOf(installation.paths.stateDir);
  const layers = pruneLayers(cache, Math.max(olderThanMs, unusedForMs));
  return { images, layers: layers.files, freedBytes: freedBytes + layers.bytes };
}
