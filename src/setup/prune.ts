import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ImageApi, KernelApi } from "../api.ts";
import { layerCacheOf, pruneLayers } from "../image/layer-cache.ts";
import type { Installation } from "../installation.ts";
import { listImages } from "../state/images.ts";
import { vmsOfImage, vmsOfKernel } from "../state/vms.ts";
import type { PruneOptions, PruneReport } from "../types.ts";

/** Removes images and kernels that no VM uses, and the cache. What is in use, and the default kernel, stay. */
export async function prune(
  installation: Installation,
  apis: { readonly images: ImageApi; readonly kernels: KernelApi },
  options: PruneOptions,
): Promise<PruneReport> {
  const images: string[] = [];
  const kernels: string[] = [];
  let freedBytes = 0;
  for (const image of options.images === true ? listImages(installation.db) : []) {
    if (vmsOfImage(installation.db, image.id).length > 0) continue;
    await apis.images.delete(image.name);
    images.push(image.name);
    freedBytes += image.usedBytes;
  }
  for (const kernel of options.kernels === true ? await apis.kernels.list() : []) {
    if (kernel.isDefault || vmsOfKernel(installation.db, kernel.name).length > 0) continue;
    await apis.kernels.delete(kernel.name);
    kernels.push(kernel.name);
    freedBytes += kernel.sizeBytes;
  }
  const cache = options.cache === true ? await pruneCache(installation) : { files: 0, bytes: 0 };
  return { images, kernels, cacheFiles: cache.files, freedBytes: freedBytes + cache.bytes };
}

/** Under the lease that whoever fills the cache holds, so that nothing is taken away under a running pull. */
async function pruneCache(installation: Installation): Promise<{ files: number; bytes: number }> {
  return await installation.holding(["cache"], "ember prune", async () => {
    const { cacheDir } = installation.paths;
    const total = measure(cacheDir);
    rmSync(cacheDir, { recursive: true, force: true });
    const layers = pruneLayers(layerCacheOf(installation.paths.stateDir), 0);
    return { files: total.files + layers.files, bytes: total.bytes + layers.bytes };
  });
}

function measure(folder: string): { files: number; bytes: number } {
  let files = 0;
  let bytes = 0;
  for (const entry of readEntries(folder)) {
    const facts = statSync(join(folder, entry), { throwIfNoEntry: false });
    if (facts?.isFile() !== true) continue;
    files++;
    bytes += facts.blocks * 512;
  }
  return { files, bytes };
}

function readEntries(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: "utf8" });
  } catch {
    return []; // there is no cache
  }
}
