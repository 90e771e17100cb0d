import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BenchLayer } from "./layers.ts";

const type = "application/vnd.oci.image";

/** Writes an image as a folder of the OCI image layout, with the tag "latest". */
export function writeImage(folder: string, layers: readonly BenchLayer[]): void {
  const blobs = join(folder, "blobs", "sha256");
  mkdirSync(blobs, { recursive: true });
  const blob = (bytes: Buffer | string, mediaType: string) => {
    const hex = createHash("sha256").update(bytes).digest("hex");
    writeFileSync(join(blobs, hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: Buffer.byteLength(bytes) };
  };
  const config = {
    os: "linux",
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    config: {},
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: `${type}.manifest.v1+json`,
    config: blob(JSON.stringify(config), `${type}.config.v1+json`),
    layers: layers.map((layer) => blob(layer.blob, `${type}.layer.v1.tar+gzip`)),
  };
  const annotations = { "org.opencontainers.image.ref.name": "latest" };
  const manifests = [{ ...blob(JSON.stringify(manifest), manifest.mediaType), annotations }];
  writeFileSync(join(folder, "index.json"), JSON.stringify({ schemaVersion: 2, manifests }));
  writeFileSync(join(folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
}
