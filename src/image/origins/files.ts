import { createHash } from "node:crypto";
import { createReadStream, symlinkSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { EmberError, errnoCode } from "../../errors/ember-error.ts";
import type { TaskOptions } from "../../types.ts";
import { readLayout } from "../oci/layout.ts";
import type { Platform } from "../oci/platform.ts";
import { canonicalName, type FileReference, shown } from "../reference.ts";
import { archiveName, copyToLayout, layoutName, layoutTag, type SkopeoLimits } from "../skopeo/skopeo.ts";
import type { ImageOrigin } from "./origin.ts";

/** An image in a folder of the OCI image layout: its layers are read where they lie. */
export function ociOrigin(reference: FileReference, platform: Platform): ImageOrigin {
  const what = canonicalName(reference);
  const read = () => readLayout({ folder: reference.path, tag: reference.tag, platform, what });
  return { source: what, event: "image.pulled", identify: read, fetch: read };
}

/** An image in an archive that `docker save` or `podman save` wrote. Its digest is the file's: Docker's hold no manifest. */
export function archiveOrigin(
  reference: FileReference,
  platform: Platform,
  limits?: SkopeoLimits,
): ImageOrigin {
  const what = canonicalName(reference);
  const identify = async (task: TaskOptions) => ({
    digest: await digestOfFile(reference.path, task),
    architecture: platform.architecture,
  });
  return {
    source: what,
    event: "image.pulled",
    identify,
    fetch: async (folder, task) => {
      const identity = await identify(task);
      symlinkSync(reference.path, join(folder, archiveName));
      const source = `${reference.transport}:${archiveName}${reference.tag === undefined ? "" : `:${reference.tag}`}`;
      const subject = { what, registry: undefined, source, platform, tlsVerify: true, limits };
      await copyToLayout(subject, folder, {
        ...(task.signal === undefined ? {} : { signal: task.signal }),
        onProgress: (progress) => task.onProgress?.({ ...progress, step: "unpacking the archive" }),
      });
      const layout = { folder: join(folder, layoutName), tag: layoutTag, platform, what };
      return { ...(await readLayout(layout)), ...identity };
    },
  };
}

/**
 * "sha256:..." of a regular file. Throws `file-not-found`, `image-invalid` when it is something else, `interrupted`.
 */
export async function digestOfFile(path: string, task: TaskOptions): Promise<string> {
  const total = await sizeOfFile(path);
  const hash = createHash("sha256");
  let done = 0;
  try {
    const stream = createReadStream(path, { highWaterMark: 1024 ** 2, signal: task.signal });
    for await (const chunk of stream) {
      hash.update(chunk);
      done += chunk.length;
      task.onProgress?.({ step: "reading the archive", done, total });
    }
  } catch (error) {
    if (task.signal?.aborted !== true) throw error;
    throw new EmberError("interrupted", `reading '${shown(path)}' was interrupted`, { cause: error });
  }
  return `sha256:${hash.digest("hex")}`;
}

async function sizeOfFile(path: string): Promise<number> {
  try {
    const facts = await stat(path);
    if (facts.isFile()) return facts.size;
  } catch (error) {
    if (errnoCode(error) !== "ENOENT" && errnoCode(error) !== "ENOTDIR") throw error;
    throw new EmberError("file-not-found", `there is no file '${shown(path)}'`, { cause: error });
  }
  throw new EmberError("image-invalid", `'${shown(path)}' is not a file`, {
    hint: "for a folder of the OCI image layout, write oci:FOLDER",
  });
}
