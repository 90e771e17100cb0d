import type { Installation } from "../installation.ts";
import { listImages } from "../state/images.ts";
import { vmsOfImage } from "../state/vms.ts";
import type { ImagePruneReport, TaskOptions } from "../types.ts";
import { layerCacheOf, pruneLayers } from "./layer-cache.ts";

/**
 * Deletes the images that no VM was made from and that are older than `olderThanMs`, and the layers that no pull had use
 * for as long. Throws what deleting an image throws, with those before it deleted.
 */
export async function pruneImages(
  installation: Installation,
  deleteImage: (name: string, task: TaskOptions) => Promise<void>,
  { olderThanMs = 0, ...task }: { readonly olderThanMs?: number } & TaskOptions,
): Promise<ImagePruneReport> {
  const latest = Date.now() - olderThanMs;
  const images: string[] = [];
  let freedBytes = 0;
  for (const { id, name, usedBytes, createdAt } of listImages(installation.db)) {
    if (Date.parse(createdAt) > latest || vmsOfImage(installation.db, id).length > 0) continue;
    task.onProgress?.({ step: `deleting ${name}` });
    await deleteImage(name, task);
    images.push(name);
    freedBytes += usedBytes;
  }
  const layers = pruneLayers(layerCacheOf(installation.paths.stateDir), olderThanMs);
  return { images, layers: layers.files, freedBytes: freedBytes + layers.bytes };
}
