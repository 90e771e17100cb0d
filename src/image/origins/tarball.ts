import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { hostArchitecture } from "../../guest/binary/architecture.ts";
import type { LayerSource } from "../layers.ts";
import { emptyConfig } from "../oci/config.ts";
import { shown } from "../reference.ts";
import { openCompressed } from "../tar/compressed.ts";
import { invalidArchive } from "../tar/invalid.ts";
import { TarReader } from "../tar/reader.ts";
import { digestOfFile } from "./files.ts";
import type { ImageOrigin } from "./origin.ts";

/** A root file system in a tar archive: plain, or compressed with gzip, xz or zstd. */
export function tarballOrigin(file: string): ImageOrigin {
  const path = resolve(file);
  let digest: Promise<string> | undefined;
  return {
    source: path,
    event: "image.imported",
    identify: async (task) => {
      digest ??= digestOfFile(path, task);
      return { digest: await digest, architecture: hostArchitecture() };
    },
    fetch: async (_folder, task) => {
      digest ??= digestOfFile(path, task);
      const layer = fileLayer(path, await digest);
      await refuseImageArchive(path, task.signal);
      return { digest: await digest, architecture: hostArchitecture(), config: emptyConfig, layers: [layer] };
    },
  };
}

/** An archive as a layer; that it is still the same file is checked as it is read. */
export function fileLayer(path: string, digest: string): LayerSource {
  return { open: async () => createReadStream(path, { highWaterMark: 256 * 1024 }), digest };
}

/** What the archives of `docker save`, and those of OCI layouts, begin with; no root file system does. */
const imageArchiveEntry =
  /^(?:\.\/)?(?:blobs\/?$|blobs\/sha256\/|[0-9a-f]{64}(?:\/|\.json$)|(?:oci-layout|index\.json|manifest\.json|repositories)$)/;

/** What archives of virtual machines hold, such as a cloud's own; the first file of a root is in a folder. */
const diskEntry = /^(?:\.\/)?[^/]+\.(?:raw|qcow2|vmdk|ova|vhd)$/;

/** How many entries are looked at. */
const lookedAt = 3;

/** Throws `image-invalid` for an image archive, which would make a disk that cannot run, and for what is no tar archive. */
async function refuseImageArchive(path: string, signal: AbortSignal | undefined): Promise<void> {
  const stream = createReadStream(path);
  const { content } = await openCompressed(stream, { signal });
  const reader = new TarReader(content);
  let disk: string | undefined;
  try {
    for (let count = 0; count < lookedAt; count++) {
      const entry = await reader.next();
      if (entry === undefined && count === 0) throw invalidArchive("it holds no file");
      if (entry === undefined) return;
      disk = diskEntry.test(entry.path) ? entry.path : undefined;
      if (disk !== undefined) break;
      if (!imageArchiveEntry.test(entry.path)) return;
    }
  } catch (error) {
    if (!(error instanceof EmberError) || error.code !== "image-invalid") throw error;
    throw new EmberError("image-invalid", `'${shown(path)}' is not a tar archive: ${error.message}`, {
      hint: "give a root file system as a tar archive: plain, or compressed with gzip, xz or zstd",
      cause: error,
    });
  } finally {
    await reader.close();
    stream.destroy();
  }
  if (disk !== undefined) throw holdsDisk(path, disk);
  throw new EmberError("image-invalid", `'${shown(path)}' holds an image, and not a root file system`, {
    hint: `pull it instead: ember image pull docker-archive:${shown(path)}`,
  });
}

function holdsDisk(path: string, entry: string): EmberError {
  const name = shown(entry);
  return new EmberError(
    "image-invalid",
    `'${shown(path)}' holds a disk, '${name}', and not a root file system`,
    {
      hint: `unpack it, and import the disk: tar -xf '${shown(path)}' && ember image import '${name}' --name NAME`,
    },
  );
}
