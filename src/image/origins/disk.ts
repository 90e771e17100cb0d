import { statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { resolve } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import type { TaskOptions } from "../../types.ts";
import { copyDisk } from "../cloud/copy.ts";
import { findRoot } from "../cloud/find-root.ts";
import { type DiskFormat, openForeignDisk } from "../cloud/format.ts";
import { emptyConfig } from "../oci/config.ts";
import { shown } from "../reference.ts";
import { digestOfFile } from "./files.ts";
import type { FetchedImage, ImageIdentity, ImageOrigin } from "./origin.ts";

/**
 * A disk that an operating system is installed on, such as a cloud image: its root file system becomes the image's disk as it
 * is. What else is on it, such as a boot loader, is left behind.
 */
export function diskOrigin(file: string, format: DiskFormat): ImageOrigin {
  const path = resolve(file);
  let found: Promise<Identified> | undefined;
  const identify = async (task: TaskOptions): Promise<ImageIdentity> => {
    found ??= identityOf(path, format, task);
    const { digest, architecture } = await found;
    return { digest, architecture };
  };
  return {
    source: path,
    event: "image.imported",
    identify,
    fetch: async (_folder, task) => ({
      ...(await identify(task)),
      config: emptyConfig,
      layers: [],
      writeDisk: async (target, signal) => {
        const disk = await writeRoot(path, format, target, { ...task, ...(signal && { signal }) });
        const before = (await found)?.state;
        if (before === stateOf(path)) return disk;
        await rm(target, { force: true });
        throw new EmberError("verification-failed", `'${shown(path)}' was changed while it was imported`, {
          hint: "wait until it is whole, then import it again",
        });
      },
    }),
  };
}

interface Identified extends ImageIdentity {
  /** Of the file, before it was read. */
  readonly state: string;
}

/** Changes with the content of a file that nobody sets the clock back for. */
function stateOf(path: string): string {
  const { size, mtimeNs, ino } = statSync(path, { bigint: true });
  return `${size} ${mtimeNs} ${ino}`;
}

/** What cannot become an image is refused before all of it was read. */
async function identityOf(path: string, format: DiskFormat, task: TaskOptions): Promise<Identified> {
  const state = stateOf(path);
  await using disk = await openForeignDisk(path, format);
  const { architecture } = await asImage(path, () => findRoot(disk));
  return { architecture, digest: await digestOfFile(path, task), state };
}

async function writeRoot(
  path: string,
  format: DiskFormat,
  target: string,
  task: TaskOptions,
): ReturnType<NonNullable<FetchedImage["writeDisk"]>> {
  await using disk = await openForeignDisk(path, format);
  return await asImage(path, async () => copyDisk((await findRoot(disk)).disk, target, task));
}

/** What the readers of disks find broken is the image's fault here, not a disk's. */
async function asImage<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof EmberError) || error.code !== "io-failed") throw error;
    throw new EmberError("image-invalid", `'${shown(path)}' is damaged: ${error.message}`, {
      hint: "compare the file's checksum with the published one, and fetch it again",
      cause: error,
    });
  }
}
