import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Writes an OCI image of these layers (not compressed) into `folder`, under the tag "latest". */
export function writeOciLayout(folder: string, layers: readonly Buffer[]): void {
  const blobs = join(folder, "blobs", "sha256");
  mkdirSync(blobs, { recursive: true });
  const blob = (data: Buffer, mediaType: string): { mediaType: string; digest: string; size: number } => {
    const hex = createHash("sha256").update(data).digest("hex");
    writeFileSync(join(blobs, hex), data);
    return { mediaType, digest: `sha256:${hex}`, size: data.length };
  };
  const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
  const oci = "application/vnd.oci.image";
  const descriptors = layers.map((layer) => blob(layer, `${oci}.layer.v1.tar`));
  const config = blob(
    json({
      architecture: "amd64",
      os: "linux",
      config: {},
      rootfs: { type: "layers", diff_ids: descriptors.map(({ digest }) => digest) },
    }),
    `${oci}.config.v1+json`,
  );
  const manifest = blob(
    json({ schemaVersion: 2, mediaType: `${oci}.manifest.v1+json`, config, layers: descriptors }),
    `${oci}.manifest.v1+json`,
  );
  const tagged = { ...manifest, annotations: { "org.opencontainers.image.ref.name": "latest" } };
  writeFileSync(join(folder, "index.json"), json({ schemaVersion: 2, manifests: [tagged] }));
  writeFileSync(join(folder, "oci-layout"), json({ imageLayoutVersion: "1.0.0" }));
}
