import { stat } from "node:fs/promises";
import { join } from "node:path";
import { EmberError, errnoCode } from "../../errors/ember-error.ts";
import type { ImageConfig } from "../../types.ts";
import type { LayerSource } from "../layers.ts";
import { shown } from "../reference.ts";
import { layerSource, readBlob, readDocument } from "./blobs.ts";
import { toImageConfig } from "./config.ts";
import { invalidImage } from "./invalid.ts";
import { parseJson } from "./parse.ts";
import {
  entriesFor,
  isAttestation,
  isForPlatform,
  noSuchPlatform,
  type Platform,
  platformText,
} from "./platform.ts";
import {
  type Config,
  configSchema,
  type Descriptor,
  indexSchema,
  isConfigType,
  isForeignLayerType,
  isIndexType,
  isLayerType,
  isManifestType,
  type Manifest,
  manifestSchema,
} from "./schemas.ts";

/** An image as a layout holds it, ready to be written to a disk. */
export interface LayoutImage {
  /** Of the manifest. */
  readonly digest: string;
  readonly architecture: string;
  readonly config: ImageConfig;
  /** The lowest first. */
  readonly layers: readonly LayerSource[];
  /** Of all layers, as they are stored. */
  readonly layerBytes: number;
}

export interface LayoutRequest {
  readonly folder: string;
  readonly tag: string | undefined;
  readonly platform: Platform;
  /** What errors call the image. */
  readonly what: string;
}

/** How deep indexes may lie in indexes, and how many an image may have: more is an attack. */
const deepestIndex = 4;
const mostDocuments = 64;

/**
 * Finds an image in a folder of the OCI image layout, in its Docker form too, and checks its manifest and configuration
 * against their digests; the layers are checked as they are read. Throws `file-not-found`, `image-not-found` (no such
 * tag or platform), `image-invalid`, `verification-failed`.
 */
export async function readLayout(request: LayoutRequest): Promise<LayoutImage> {
  const path = join(request.folder, "index.json");
  await checkIsLayout(request.folder, path);
  const index = parseJson(await readDocument(path, "index.json"), indexSchema, "index.json");
  const search: Search = { request, documents: 0, offered: [] };
  const image = await findImage(byTag(index.manifests, request), search, 1);
  if (image === undefined) throw noSuchPlatform(request.what, request.platform, search.offered);
  return image;
}

interface Search {
  readonly request: LayoutRequest;
  documents: number;
  /** The platforms there are, for the error. */
  readonly offered: string[];
}

async function checkIsLayout(folder: string, indexPath: string): Promise<void> {
  for (const path of [folder, indexPath]) {
    try {
      await stat(path);
    } catch (error) {
      if (errnoCode(error) !== "ENOENT" && errnoCode(error) !== "ENOTDIR") throw error;
      throw new EmberError("file-not-found", `'${shown(path)}' is not there`, {
        hint: "name a folder of the OCI image layout: it has an 'index.json'",
        cause: error,
      });
    }
  }
}

const tagAnnotations = ["org.opencontainers.image.ref.name", "io.containerd.image.name"];

function byTag(entries: readonly Descriptor[], { tag, what }: LayoutRequest): readonly Descriptor[] {
  const images = entries.filter((entry) => !isAttestation(entry));
  if (tag === undefined) {
    const names = tagsOf(images);
    if (names.length < 2) return images;
    throw new EmberError("invalid-reference", `'${shown(what)}' holds several images: ${names.join(", ")}`, {
      hint: "add ':' and one of these",
    });
  }
  const tagged = images.filter(({ annotations }) => tagAnnotations.some((key) => annotations[key] === tag));
  if (tagged.length > 0) return tagged;
  throw new EmberError("image-not-found", `'${shown(what)}' holds no image with that tag`, {
    hint:
      images.length === 0
        ? "it holds no image at all"
        : `there is: ${tagsOf(images).join(", ") || "one without a tag"}`,
  });
}

function tagsOf(entries: readonly Descriptor[]): string[] {
  const names = entries.map(({ annotations }) => annotations[tagAnnotations[0] ?? ""]);
  return [...new Set(names.filter((name) => name !== undefined))].slice(0, 12).map(shown);
}

/** The first image for the platform, in an index or the indexes in it; undefined when there is none. */
async function findImage(
  entries: readonly Descriptor[],
  search: Search,
  depth: number,
): Promise<LayoutImage | undefined> {
  const { request } = search;
  search.offered.push(...entries.flatMap(({ platform }) => (platform ? [platformText(platform)] : [])));
  for (const entry of entriesFor(entries, request.platform)) {
    if (++search.documents > mostDocuments || depth > deepestIndex) {
      throw invalidImage(`'${shown(request.what)}' has too many indexes in each other`);
    }
    const found = isIndexType(entry.mediaType)
      ? await findInIndex(entry, search, depth)
      : await readImage(entry, search);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function findInIndex(
  entry: Descriptor,
  search: Search,
  depth: number,
): Promise<LayoutImage | undefined> {
  const what = `index ${entry.digest}`;
  const bytes = await readBlob(search.request.folder, entry, what);
  return await findImage(parseJson(bytes, indexSchema, what).manifests, search, depth + 1);
}

/** Undefined when it turns out to be for another platform, or not an image at all. */
async function readImage(entry: Descriptor, search: Search): Promise<LayoutImage | undefined> {
  const { folder, platform } = search.request;
  if (entry.mediaType !== "" && !isManifestType(entry.mediaType)) return undefined;
  const what = `manifest ${entry.digest}`;
  const manifest = parseJson(await readBlob(folder, entry, what), manifestSchema, what);
  if (!isConfigType(manifest.config.mediaType)) return undefined; // a chart, a signature, ...
  const configName = `configuration ${manifest.config.digest}`;
  const config = parseJson(await readBlob(folder, manifest.config, configName), configSchema, configName);
  if (!isForPlatform(config, platform)) {
    search.offered.push(platformText(config));
    return undefined;
  }
  return {
    digest: entry.digest,
    architecture: platform.architecture,
    config: toImageConfig(config),
    layers: await layersOf(folder, manifest, config),
    layerBytes: manifest.layers.reduce((sum, layer) => sum + layer.size, 0),
  };
}

async function layersOf(folder: string, manifest: Manifest, config: Config): Promise<LayerSource[]> {
  checkLayers(manifest);
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== manifest.layers.length) {
    throw invalidImage(
      `the manifest has ${manifest.layers.length} layers, and the configuration speaks of ${diffIds.length}`,
    );
  }
  const sources: LayerSource[] = [];
  for (const [index, layer] of manifest.layers.entries()) {
    sources.push(await layerSource(folder, layer, diffIds[index] ?? ""));
  }
  return sources;
}

/** Throws `image-invalid` for layers that cannot be, or may not be, applied. */
export function checkLayers(manifest: Pick<Manifest, "layers">): void {
  if (manifest.layers.length === 0) throw invalidImage("the image has no layers");
  for (const { mediaType } of manifest.layers) {
    if (isForeignLayerType(mediaType)) {
      throw invalidImage("the image has layers that may only be fetched from their owner (foreign layers)");
    }
    if (!isLayerType(mediaType)) throw invalidImage(`a layer is of the unknown type '${shown(mediaType)}'`);
  }
}
