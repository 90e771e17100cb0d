// Decompresses and hashes the blobs of a layout, one after the other: the least that anybody does who checks them.
import { createHash } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import { join } from "node:path";
import { createGunzip } from "node:zlib";

const folder = process.argv[2] ?? ".";
const read = (digest: string): string => join(folder, "blobs", "sha256", digest.replace("sha256:", ""));
const json = (path: string) => JSON.parse(readFileSync(path, "utf8"));
const manifest = json(read(json(join(folder, "index.json")).manifests[0].digest));
const { diff_ids: diffIds } = json(read(manifest.config.digest)).rootfs;

for (const [index, { digest }] of manifest.layers.entries()) {
  const [blob, content] = [createHash("sha256"), createHash("sha256")];
  const file = createReadStream(read(digest), { highWaterMark: 2 ** 18 });
  file.on("data", (chunk) => blob.update(chunk));
  for await (const chunk of file.pipe(createGunzip({ chunkSize: 2 ** 18 }))) content.update(chunk);
  if (`sha256:${blob.digest("hex")}` !== digest || `sha256:${content.digest("hex")}` !== diffIds[index]) {
    throw new Error(`layer ${index + 1} is damaged`);
  }
}
