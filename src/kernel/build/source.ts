import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { EmberError } from "../../errors/ember-error.ts";
import { formatSize } from "../../host/sizes.ts";
import { freeBytes } from "../../storage/usage.ts";

/** A kernel's source that was verified. */
export interface KernelSource {
  /** A tar archive, compressed or not, with one folder in it. */
  readonly tarball: string;
  /** Of the package or file that it is from. */
  readonly sha256: string;
  /** Where it is from, for people. */
  readonly description: string;
}

/** The unpacked tar archives of all kernels are far below it. */
export const sourceLimitBytes: number = 4 * 1024 ** 3;

/** Archive, unpacked archive and sources, and what is compiled: 3.4 GB in all for Linux 6.1. */
const neededBytes = 4 * 1024 ** 3;

/** Throws `disk-full`. */
export async function refuseLittleSpace(folder: string): Promise<void> {
  const free = await freeBytes(folder);
  if (free >= neededBytes) return;
  throw new EmberError(
    "disk-full",
    `building a kernel takes ${formatSize(neededBytes)} for a while, and '${folder}' has ${formatSize(free)} left`,
    { hint: "free some space, or choose a state folder elsewhere with --state-dir" },
  );
}

/** Writes a stream to a new file. Throws `verification-failed` when it is longer than sources are. */
export async function writeSource(
  content: AsyncIterable<Uint8Array>,
  path: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const limited = async function* (): AsyncGenerator<Uint8Array> {
    let size = 0;
    for await (const chunk of content) {
      size += chunk.length;
      if (size > sourceLimitBytes)
        throw new EmberError(
          "verification-failed",
          `the source unpacks to more than ${formatSize(sourceLimitBytes)}`,
        );
      yield chunk;
    }
  };
  const file = createWriteStream(path, { flags: "wx", mode: 0o600 });
  try {
    await pipeline(limited(), file, signal === undefined ? {} : { signal });
  } catch (error) {
    if (signal?.aborted === true) throw new EmberError("interrupted", "unpacking the source was interrupted");
    throw error;
  }
}

/** The name under which a source's archive lies in the folder in which its kernel is built. */
export const tarballIn = (workplace: string): string => join(workplace, "source.tar");
