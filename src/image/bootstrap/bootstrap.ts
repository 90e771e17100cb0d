import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { hostArchitecture } from "../../guest/binary/architecture.ts";
import { ensurePrivateFolder } from "../../host/files.ts";
import { findTool } from "../../host/tools.ts";
import type { Installation } from "../../installation.ts";
import type { ImageRecord } from "../../state/images.ts";
import type { TaskOptions } from "../../types.ts";
import { makeImage } from "../make.ts";
import { emptyConfig } from "../oci/config.ts";
import { digestOfFile } from "../origins/files.ts";
import type { ImageOrigin } from "../origins/origin.ts";
import { fileLayer } from "../origins/tarball.ts";
import { checkImageName } from "../reference.ts";
import { type CachedArchive, type CacheKey, findArchive, keepArchive } from "./cache.ts";
import { nameOfRelease, parseRelease, type Release } from "./distributions.ts";
import { mmdebstrap } from "./mmdebstrap.ts";
import { finishing, leftOut, packages, recipeVersion } from "./recipe.ts";
import { type ArchiveState, stateOf } from "./releases.ts";

/** See ImageApi.bootstrap. Made again, it is replaced when something has been published since. */
export async function bootstrapImage(
  installation: Installation,
  distribution: string,
  options: { readonly name?: string } & TaskOptions = {},
): Promise<ImageRecord> {
  const release = parseRelease(distribution);
  const name = options.name === undefined ? nameOfRelease(release) : checkImageName(options.name);
  const origin = releaseOrigin(release, installation.paths.cacheDir);
  // The cache's own lease, so that nobody empties it meanwhile.
  return await makeImage(installation, { name, origin, leases: ["cache"] }, options);
}

/** A distribution made from its packages. What was made once is kept in the cache until something new is published. */
export function releaseOrigin({ distribution, suite }: Release, cacheDir: string): ImageOrigin {
  const architecture = hostArchitecture();
  const archives = distribution.archives(suite);
  const cache = join(cacheDir, "bootstrap");
  let known: Promise<ArchiveState> | undefined;
  const state = (task: TaskOptions): Promise<ArchiveState> => {
    known ??= stateOf(archives, distribution, task);
    return known;
  };
  const keyFor = ({ fingerprint }: ArchiveState): CacheKey => ({
    group: `${distribution.name}-${suite}-${architecture}`,
    fingerprint: createHash("sha256")
      .update(
        JSON.stringify([fingerprint, archives, recipeVersion, packages, leftOut, finishing(distribution)]),
      )
      .digest("hex"),
  });

  async function make(folder: string, task: TaskOptions): Promise<CachedArchive> {
    const current = await state(task);
    const kept = await usable(findArchive(cache, keyFor(current)), task);
    if (kept !== undefined) return kept;
    const path = join(folder, "root.tar");
    const request = {
      ...{ distribution, suite, architecture, archives },
      keyringPath: distribution.keyring(cache),
      timestampSeconds: current.publishedSeconds,
    };
    await mmdebstrap(request, path, folder, task);
    const digest = await digestOfFile(path, task);
    return await keepArchive(cache, keyFor(current), path, digest);
  }

  return {
    source: `${distribution.name}:${suite}`,
    event: "image.bootstrapped",
    identify: async (task) => {
      findTool("mmdebstrap"); // before anything is fetched, as the keys
      ensurePrivateFolder(cache);
      distribution.keyring(cache);
      task.onProgress?.({ step: "asking the mirror" });
      const kept = findArchive(cache, keyFor(await state(task)));
      return kept === undefined ? undefined : { digest: kept.digest, architecture };
    },
    fetch: async (folder, task) => {
      const { path, digest } = await make(folder, task);
      return { digest, architecture, config: emptyConfig, layers: [fileLayer(path, digest)] };
    },
  };
}

/** A cached archive that is still what its name says; one that is damaged is removed, and made anew. */
async function usable(
  kept: CachedArchive | undefined,
  task: TaskOptions,
): Promise<CachedArchive | undefined> {
  if (kept === undefined) return undefined;
  if ((await digestOfFile(kept.path, task)) === kept.digest) return kept;
  await rm(kept.path, { force: true });
  return undefined;
}
