import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";

/** A layer of an image made in a test. */
export interface TestLayer {
  readonly tar: Buffer;
  /** Default: "gzip". */
  readonly compression?: "none" | "gzip" | "zstd";
  /** Default: what goes with the compression. */
  readonly mediaType?: string;
}

/** One image for one platform; anything about it can be made wrong. */
export interface TestImage {
  readonly layers: readonly TestLayer[];
  /** The "config" of the configuration: Env, Entrypoint, ... */
  readonly config?: unknown;
  /** Default: "linux/amd64". */
  readonly platform?: string;
  /** Media types as Docker has them. */
  readonly docker?: boolean;
  /** Changes the configuration before it is written. */
  readonly changeConfig?: (config: Record<string, unknown>) => void;
  /** Changes the manifest before it is written. */
  readonly changeManifest?: (manifest: Record<string, unknown>) => void;
}

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: Record<string, string>;
  readonly annotations?: Record<string, string>;
}

const oci = "application/vnd.oci.image";
const docker = "application/vnd.docker";

/** A folder of the OCI image layout, filled step by step. */
export class TestLayout {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(join(folder, "blobs", "sha256"), { recursive: true });
    writeFileSync(join(folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
    this.index([]);
  }

  /** Writes a blob and describes it. */
  blob(content: Buffer | string, mediaType: string): Descriptor {
    const bytes = Buffer.from(content);
    const hex = createHash("sha256").update(bytes).digest("hex");
    writeFileSync(this.blobPath(`sha256:${hex}`), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  }

  blobPath(digest: string): string {
    return join(this.folder, "blobs", "sha256", digest.replace("sha256:", ""));
  }

  /** Writes an image and describes its manifest. */
  image(image: TestImage): Descriptor {
    const [os = "linux", architecture = "amd64"] = (image.platform ?? "linux/amd64").split("/");
    const config: Record<string, unknown> = {
      os,
      architecture,
      config: image.config ?? {},
      rootfs: { type: "layers", diff_ids: image.layers.map(({ tar }) => digestOf(tar)) },
    };
    image.changeConfig?.(config);
    const isDocker = image.docker === true;
    const configType = isDocker ? `${docker}.container.image.v1+json` : `${oci}.config.v1+json`;
    const mediaType = isDocker ? `${docker}.distribution.manifest.v2+json` : `${oci}.manifest.v1+json`;
    const manifest: Record<string, unknown> = {
      schemaVersion: 2,
      mediaType,
      config: this.blob(JSON.stringify(config), configType),
      layers: image.layers.map((layer) => this.#layer(layer, isDocker)),
    };
    image.changeManifest?.(manifest);
    return { ...this.blob(JSON.stringify(manifest), mediaType), platform: { os, architecture } };
  }

  /** Writes an index of manifests and describes it. */
  nested(manifests: readonly Descriptor[]): Descriptor {
    const mediaType = `${oci}.index.v1+json`;
    return this.blob(JSON.stringify({ schemaVersion: 2, mediaType, manifests }), mediaType);
  }

  /** Replaces the layout's own index. */
  index(manifests: readonly unknown[]): void {
    writeFileSync(join(this.folder, "index.json"), JSON.stringify({ schemaVersion: 2, manifests }));
  }

  #layer({ tar, compression = "gzip", mediaType }: TestLayer, isDocker: boolean): Descriptor {
    const content = { none: tar, gzip: gzipSync(tar), zstd: zstdCompressSync(tar) }[compression];
    const suffix = compression === "none" ? "" : `${isDocker ? "." : "+"}${compression}`;
    const usual = isDocker ? `${docker}.image.rootfs.diff.tar${suffix}` : `${oci}.layer.v1.tar${suffix}`;
    return this.blob(content, mediaType ?? usual);
  }
}

/** The same descriptor, under a tag. */
export function tagged(descriptor: Descriptor, tag: string): Descriptor {
  return { ...descriptor, annotations: { "org.opencontainers.image.ref.name": tag } };
}

/** A layout with one image under the tag "latest". Returns its manifest's digest. */
export function writeLayout(folder: string, image: TestImage): string {
  const layout = new TestLayout(folder);
  const manifest = layout.image(image);
  layout.index([tagged(manifest, "latest")]);
  return manifest.digest;
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
