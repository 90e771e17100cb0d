import * as v from "valibot";

/**
 * What is read from an OCI layout, as far as it is used (image-spec: descriptor.md, image-index.md, manifest.md,
 * config.md), in its Docker form too. Unknown fields and media types are no error: the specification asks for that.
 */

export interface Descriptor {
  /** "" when it does not say. */
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: DescriptorPlatform | undefined;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface DescriptorPlatform {
  readonly os: string;
  readonly architecture: string;
  /** "" when it does not say. */
  readonly variant: string;
}

export interface Index {
  readonly manifests: readonly Descriptor[];
}

export interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

export interface Config {
  readonly os: string;
  readonly architecture: string;
  readonly config: {
    readonly User: string;
    readonly Env: readonly string[];
    readonly Entrypoint: readonly string[];
    readonly Cmd: readonly string[];
    readonly WorkingDir: string;
    readonly StopSignal: string;
    readonly ExposedPorts: Readonly<Record<string, unknown>>;
    readonly Labels: Readonly<Record<string, string>>;
  };
  readonly rootfs: { readonly diff_ids: readonly string[] };
}

type Schema<T> = v.GenericSchema<unknown, T>;

/** What is absent or null is as if it were empty. */
const text = v.nullish(v.string(), "");
const list = v.nullish(v.array(v.string()), []);
const words = v.nullish(v.record(v.string(), v.string()), {});
/** Docker once wrote a command of one word as a plain string. */
const command = v.nullish(
  v.union([
    v.array(v.string()),
    v.pipe(
      v.string(),
      v.transform((word) => [word]),
    ),
  ]),
  [],
);
const digest = v.pipe(
  v.string(),
  v.regex(/^sha256:[0-9a-f]{64}$/, "it must be sha256 and 64 hexadecimal digits"),
);

const platform = v.object({ os: v.string(), architecture: v.string(), variant: text });

const descriptor = v.object({
  mediaType: text,
  digest,
  size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  platform: v.pipe(
    v.nullish(platform),
    v.transform((value) => value ?? undefined),
  ),
  annotations: words,
});
const descriptors = (most: number) => v.pipe(v.array(descriptor), v.maxLength(most));

export const indexSchema: Schema<Index> = v.object({
  schemaVersion: v.literal(2),
  manifests: descriptors(4096),
});

export const manifestSchema: Schema<Manifest> = v.object({
  schemaVersion: v.literal(2),
  config: descriptor,
  layers: descriptors(1024),
});

const run = v.object({
  User: text,
  Env: list,
  Entrypoint: command,
  Cmd: command,
  WorkingDir: text,
  StopSignal: text,
  ExposedPorts: v.nullish(v.record(v.string(), v.unknown()), {}),
  Labels: words,
});

export const configSchema: Schema<Config> = v.object({
  os: v.nullish(v.string(), "linux"),
  architecture: v.string(),
  config: v.nullish(run, {}),
  rootfs: v.object({ diff_ids: v.pipe(v.array(digest), v.maxLength(1024)) }),
});

/** What tells the two kinds of manifest apart when nothing names them; the obsolete first version has neither. */
export const anyManifestSchema: Schema<{
  readonly schemaVersion: number;
  readonly mediaType: string;
  readonly manifests?: unknown;
  readonly layers?: unknown;
}> = v.object({
  schemaVersion: v.number(),
  mediaType: text,
  manifests: v.optional(v.unknown()),
  layers: v.optional(v.unknown()),
});

const indexTypes: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
]);
const manifestTypes: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
]);
const configTypes: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
]);
const layerTypes: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.layer.v1.tar",
  "application/vnd.oci.image.layer.v1.tar+gzip",
  "application/vnd.oci.image.layer.v1.tar+zstd",
  "application/vnd.docker.image.rootfs.diff.tar",
  "application/vnd.docker.image.rootfs.diff.tar.gzip",
  "application/vnd.docker.image.rootfs.diff.tar.zstd",
]);

export const isIndexType = (mediaType: string): boolean => indexTypes.has(mediaType);
export const isManifestType = (mediaType: string): boolean => manifestTypes.has(mediaType);
export const isConfigType = (mediaType: string): boolean => configTypes.has(mediaType);
export const isLayerType = (mediaType: string): boolean => layerTypes.has(mediaType);
/** Layers that may only be fetched from their owner. */
export const isForeignLayerType = (mediaType: string): boolean =>
  /nondistributable|rootfs\.foreign/.test(mediaType);
