import { createReadStream, existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { type DiskFormat, diskFormatOf } from "../cloud/format.ts";
import { parsePlatform } from "../oci/platform.ts";
import { openCompressed } from "../tar/compressed.ts";
import { TarReader } from "../tar/reader.ts";
import { diskOrigin } from "./disk.ts";
import { archiveOrigin, ociOrigin } from "./files.ts";
import type { ImageOrigin } from "./origin.ts";
import { tarballOrigin } from "./tarball.ts";

/** What a file, or a folder, of this host holds. */
export type LocalKind =
  | "oci-layout"
  | "oci-archive"
  | "docker-archive"
  | "root"
  | { readonly disk: DiskFormat };

/**
 * The image in a file or folder, by what is in it: an OCI layout, an archive of one, what `docker save` or `podman save`
 * wrote, a disk with an operating system, else a root file system in a tar archive. What is wrong with it shows when it is fetched.
 */
export async function localOrigin(file: string, signal?: AbortSignal): Promise<ImageOrigin> {
  const path = resolve(file);
  const platform = parsePlatform(undefined);
  const kind = await kindOf(path, signal);
  if (typeof kind === "object") return diskOrigin(path, kind.disk);
  switch (kind) {
    case "oci-layout":
      return ociOrigin({ transport: "oci", path, tag: undefined }, platform);
    case "oci-archive":
      return archiveOrigin({ transport: "oci-archive", path, tag: undefined }, platform);
    case "docker-archive":
      return archiveOrigin({ transport: "docker-archive", path, tag: undefined }, platform);
    case "root":
      return tarballOrigin(path);
  }
}

/** Names at the top of image archives. Docker's newer ones hold both forms, and are read by their own. */
const dockerEntry = "manifest.json";
const ociEntry = "oci-layout";
const partOfImage =
  /^(?:blobs(?:\/|$)|[0-9a-f]{64}(?:\/|\.json$|\.tar$)|(?:oci-layout|index\.json|manifest\.json|repositories)$)/;

/** Throws what reading the file throws, but for what is no archive: that is a root file system, and refused as one. */
export async function kindOf(path: string, signal?: AbortSignal): Promise<LocalKind> {
  const facts = statSync(path, { throwIfNoEntry: false });
  if (facts?.isDirectory() === true) return existsSync(join(path, "index.json")) ? "oci-layout" : "root";
  if (facts?.isFile() !== true) return "root";
  const disk = await diskFormatOf(path, signal);
  if (disk !== undefined) return { disk };
  const stream = createReadStream(path);
  const reader = new TarReader((await openCompressed(stream, { signal })).content);
  try {
    let found: LocalKind = "root";
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
      const name = entry.path.replace(/^\.\//, "");
      if (name === dockerEntry) return "docker-archive";
      if (name === ociEntry) found = "oci-archive";
      else if (!partOfImage.test(name) && name !== "" && name !== ".") return "root";
    }
    return found;
  } catch {
    return "root";
  } finally {
    await reader.close();
    stream.destroy();
  }
}
