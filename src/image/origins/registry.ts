import { join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import type { TaskOptions } from "../../types.ts";
import { type ArtifactFetcher, isArtifact } from "../artifact/fetch.ts";
import { takeLayers } from "../layer-cache.ts";
import { digestOf } from "../oci/blobs.ts";
import { type LayoutImage, readLayout } from "../oci/layout.ts";
import { parseJson } from "../oci/parse.ts";
import { entriesFor, noSuchPlatform, type Platform, platformText } from "../oci/platform.ts";
import {
  anyManifestSchema,
  type Descriptor,
  indexSchema,
  isIndexType,
  isLayerType,
  manifestSchema,
} from "../oci/schemas.ts";
import { canonicalName, type RegistryReference, shown } from "../reference.ts";
import {
  copyToLayout,
  fetchManifest,
  layoutName,
  layoutTag,
  type SkopeoLimits,
  type SkopeoSource,
} from "../skopeo/skopeo.ts";
import { arrivingLayer, beginCopy } from "./arriving.ts";
import type { ArrivingImage, FetchedImage, ImageIdentity, ImageOrigin } from "./origin.ts";

export interface RegistryOptions {
  readonly platform: Platform;
  readonly tlsVerify: boolean;
  readonly limits?: SkopeoLimits | undefined;
  /** Fetches disks that were pushed; without it they are refused as images of unknown layers. */
  readonly artifacts?: ArtifactFetcher | undefined;
}

/** As many indexes as may lie in each other. */
const deepestIndex = 4;

/**
 * An image in a registry. It is looked up once, and fetched by its digest from then on: a tag that moves meanwhile
 * changes nothing.
 */
export function registryOrigin(reference: RegistryReference, options: RegistryOptions): ImageOrigin {
  let found: Promise<FoundManifest> | undefined;
  const find = (signal: AbortSignal | undefined): Promise<FoundManifest> => {
    found ??= findManifest(reference, options, signal);
    return found;
  };
  return {
    source: canonicalName(reference),
    event: "image.pulled",
    identify: async (task) => {
      task.onProgress?.({ step: `asking ${reference.registry}` });
      return await find(task.signal);
    },
    fetch: async (folder, task, layerCache) =>
      await fetchImage(
        skopeoSource(reference, (await find(task.signal)).digest, options),
        await find(task.signal),
        folder,
        {
          ...task,
          layerCache,
        },
        options.artifacts,
      ),
  };
}

interface FoundManifest extends ImageIdentity {
  /** Undefined when the registry gave only an index that leads to it. */
  readonly layers: Layers | undefined;
}

/** Follows indexes to the manifest for the platform. */
async function findManifest(
  reference: RegistryReference,
  options: RegistryOptions,
  signal: AbortSignal | undefined,
): Promise<FoundManifest> {
  const what = canonicalName(reference);
  let digest = reference.digest;
  for (let depth = 0; depth <= deepestIndex; depth++) {
    const bytes = await fetchManifest(skopeoSource(reference, digest, options), signal);
    digest = checkedDigest(reference, bytes, digest);
    const manifest = readManifest(reference, bytes);
    if (!Array.isArray(manifest.manifests) && !isIndexType(manifest.mediaType)) {
      const { layers } = parseJson(bytes, manifestSchema, "the manifest");
      return { digest, architecture: options.platform.architecture, layers };
    }
    const entries = parseJson(bytes, indexSchema, `the index of '${what}'`).manifests;
    const [best] = entriesFor(entries, options.platform);
    if (best === undefined) {
      const offered = entries.flatMap(({ platform }) =>
        platform === undefined ? [] : [platformText(platform)],
      );
      throw noSuchPlatform(what, options.platform, offered);
    }
    digest = best.digest;
    if (best.mediaType !== "" && !isIndexType(best.mediaType)) {
      return { digest, architecture: options.platform.architecture, layers: undefined };
    }
  }
  throw notAManifest(reference, "there are too many indexes in each other");
}

function checkedDigest(reference: RegistryReference, bytes: Buffer, wanted: string | undefined): string {
  const digest = digestOf(bytes);
  if (wanted === undefined || wanted === digest) return digest;
  throw new EmberError(
    "verification-failed",
    `'${reference.registry}' gives ${digest} for ${wanted} of '${canonicalName(reference)}'`,
    { hint: "the registry is damaged, or somebody is in between: use another" },
  );
}

function readManifest(
  reference: RegistryReference,
  bytes: Buffer,
): { readonly mediaType: string; readonly manifests?: unknown } {
  try {
    const manifest = parseJson(bytes, anyManifestSchema, "the manifest");
    if (
      manifest.schemaVersion === 2 &&
      (Array.isArray(manifest.manifests) || Array.isArray(manifest.layers))
    ) {
      return manifest;
    }
    if (manifest.schemaVersion === 1) {
      throw new EmberError(
        "image-invalid",
        `'${canonicalName(reference)}' is in Docker's obsolete first format`,
        {
          hint: "have it pushed again with a present Docker, or use a newer tag",
        },
      );
    }
  } catch (error) {
    if (!(error instanceof EmberError) || !error.message.startsWith("the manifest")) throw error;
    throw notAManifest(reference, error.message);
  }
  throw notAManifest(reference, "it is of no known kind");
}

function notAManifest(reference: RegistryReference, detail: string): EmberError {
  return new EmberError(
    "registry-failed",
    `'${reference.registry}' answers for '${canonicalName(reference)}' with something that is no manifest: ${shown(detail)}`,
    { hint: "check that it is a container registry, and not a web page or a proxy's log-in page" },
  );
}

async function fetchImage(
  source: SkopeoSource,
  found: FoundManifest,
  folder: string,
  task: TaskOptions & { readonly layerCache: string },
  artifacts: ArtifactFetcher | undefined,
): Promise<FetchedImage | ArrivingImage> {
  const layers = found.layers ?? (await layersOf(source, task.signal));
  if (artifacts !== undefined && isArtifact(layers)) {
    return await artifacts(source, found.digest, folder, task);
  }
  const layout = join(folder, layoutName);
  // The layout's manifest may be a translation of the registry's, which is the one that people know.
  const { digest } = found;
  const keptBytes = takeLayers(
    task.layerCache,
    layout,
    layers.map(({ digest }) => digest),
  );
  const kept = keptBytes > 0 ? { keptBytes } : {};
  const totalBytes = layers.reduce((sum, { size }) => sum + size, 0);
  const copy = beginCopy(
    (signal) => copyToLayout(source, folder, { ...task, signal, totalBytes: () => totalBytes }),
    task.signal,
  );
  const read = async (): Promise<LayoutImage> => {
    await copy.done;
    const { platform, what } = source;
    return await readLayout({ folder: layout, tag: layoutTag, platform, what });
  };
  if (!canBeReadAtOnce(layers)) return { ...(await read()), digest, ...kept };
  return {
    digest,
    architecture: found.architecture,
    layers: layers.map((layer) => arrivingLayer(layout, layer, copy)),
    ...kept,
    arrival: {
      get isOver() {
        return copy.isOver;
      },
      complete: async (diffIds) => {
        const image = await read();
        checkDiffIds(image, diffIds);
        return image.config;
      },
      stop: copy.stop,
    },
  };
}

/** Else the layout says what is wrong with them. */
function canBeReadAtOnce(layers: Layers): boolean {
  return layers.length > 0 && layers.every(({ mediaType }) => isLayerType(mediaType));
}

function checkDiffIds({ layers }: LayoutImage, found: readonly string[]): void {
  const wrong = layers.findIndex(({ diffId }, index) => diffId !== found[index]);
  if (wrong < 0 && layers.length === found.length) return;
  throw new EmberError(
    "verification-failed",
    `layer ${wrong + 1} of ${layers.length}: the digest of its content is ${found[wrong]} instead of ${layers[wrong]?.diffId}`,
    { hint: "it was damaged or changed on the way: fetch it again" },
  );
}

type Layers = readonly Descriptor[];

/** Empty when it cannot be told: what is wrong shows when the image is fetched. */
async function layersOf(source: SkopeoSource, signal: AbortSignal | undefined): Promise<Layers> {
  try {
    return parseJson(await fetchManifest(source, signal), manifestSchema, "the manifest").layers;
  } catch (error) {
    if (error instanceof EmberError && error.code === "interrupted") throw error;
    return [];
  }
}

function skopeoSource(
  reference: RegistryReference,
  digest: string | undefined,
  options: RegistryOptions,
): SkopeoSource {
  const { registry, repository, tag } = reference;
  const which = digest === undefined ? `:${tag ?? "latest"}` : `@${digest}`;
  return {
    what: canonicalName(reference),
    registry,
    source: `docker://${registry}/${repository}${which}`,
    platform: options.platform,
    tlsVerify: options.tlsVerify,
    limits: options.limits,
  };
}
