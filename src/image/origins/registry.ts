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
  copyLimit,
  copyToLayout,
  fetchManifest,
  layoutName,
  layoutTag,
  type SkopeoLimits,
  type SkopeoSource,
} from "../skopeo/skopeo.ts";
import { arrivingLayer, beginCopy } from "./arriving.ts";
import type { ArrivingImage, FetchedImage, ImageIdentity, ImageOrigin } from "./origin.ts";
import { firstOf, type Place, placesOf, type RegistryAccess } from "./places.ts";

export interface RegistryOptions extends RegistryAccess {
  readonly platform: Platform;
  readonly limits?: SkopeoLimits | undefined;
  /** Fetches disks that were pushed; without it they are refused as images of unknown layers. */
  readonly artifacts?: ArtifactFetcher | undefined;
}

/** As many indexes as may lie in each other. */
const deepestIndex = 4;

/**
 * An image in a registry. It is looked up once, and fetched by its digest from then on: a tag that moves meanwhile
 * changes nothing. Mirrors are asked first.
 */
export function registryOrigin(reference: RegistryReference, options: RegistryOptions): ImageOrigin {
  const sources = placesOf(reference, options).map(sourcesFor(reference, options));
  let found: Promise<FoundManifest> | undefined;
  const find = (task: TaskOptions): Promise<FoundManifest> => {
    found ??= firstOf(sources, task, async (source, index) => {
      task.onProgress?.({ step: `asking ${source.registry}` });
      return { ...(await findManifest(source, options.platform, task.signal)), index };
    });
    return found;
  };
  return {
    source: canonicalName(reference),
    event: "image.pulled",
    identify: find,
    fetch: async (folder, task, layerCache) => {
      const manifest = await find(task);
      const having = sources.slice(manifest.index).map((source) => source.by(manifest.digest));
      return await fetchImage(having, manifest, folder, { ...task, layerCache }, options.artifacts);
    },
  };
}

interface FoundManifest extends ImageIdentity {
  /** Undefined when the registry gave only an index that leads to it. */
  readonly layers: Layers | undefined;
  /** Of the place that has it. */
  readonly index: number;
}

/** The image at one place, under whichever digest it is asked for. */
interface Source {
  readonly reference: RegistryReference;
  readonly registry: string;
  by(digest: string | undefined): RegistrySource;
}

type RegistrySource = SkopeoSource & { readonly registry: string };

const sourcesFor =
  (wanted: RegistryReference, { platform, limits }: RegistryOptions) =>
  ({ reference, ...access }: Place): Source => {
    const { registry, repository, tag } = reference;
    const by = (digest: string | undefined): RegistrySource => {
      const which = digest === undefined ? `:${tag ?? "latest"}` : `@${digest}`;
      const source = `docker://${registry}/${repository}${which}`;
      return { what: canonicalName(wanted), registry, source, platform, limits, ...access };
    };
    return { reference, registry, by };
  };

/** Follows indexes to the manifest for the platform. */
async function findManifest(
  { reference, by }: Source,
  platform: Platform,
  signal: AbortSignal | undefined,
): Promise<Omit<FoundManifest, "index">> {
  const what = canonicalName(reference);
  let digest = reference.digest;
  for (let depth = 0; depth <= deepestIndex; depth++) {
    const bytes = await fetchManifest(by(digest), signal);
    digest = checkedDigest(reference, bytes, digest);
    const manifest = readManifest(reference, bytes);
    if (!Array.isArray(manifest.manifests) && !isIndexType(manifest.mediaType)) {
      const { layers } = parseJson(bytes, manifestSchema, "the manifest");
      return { digest, architecture: platform.architecture, layers };
    }
    const entries = parseJson(bytes, indexSchema, `the index of '${what}'`).manifests;
    const [best] = entriesFor(entries, platform);
    if (best === undefined) {
      const offered = entries.flatMap((entry) =>
        entry.platform === undefined ? [] : [platformText(entry.platform)],
      );
      throw noSuchPlatform(what, platform, offered);
    }
    digest = best.digest;
    if (best.mediaType !== "" && !isIndexType(best.mediaType)) {
      return { digest, architecture: platform.architecture, layers: undefined };
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
  sources: readonly RegistrySource[],
  found: FoundManifest,
  folder: string,
  task: TaskOptions & { readonly layerCache: string },
  artifacts: ArtifactFetcher | undefined,
): Promise<FetchedImage | ArrivingImage> {
  const [source] = sources;
  if (source === undefined) throw new EmberError("internal", "there is no registry to fetch from");
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
  const sizes = { layers, totalBytes: () => totalBytes, limitBytes: copyLimit(layers) };
  const copy = beginCopy(
    (signal) => firstOf(sources, task, (each) => copyToLayout(each, folder, { ...task, signal, ...sizes })),
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
