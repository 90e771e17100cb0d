import { open, readFile, rm, stat } from "node:fs/promises";
import { EmberError } from "../../errors/ember-error.ts";
import type { Installation } from "../../installation.ts";
import type { ImageRecord } from "../../state/images.ts";
import type { TaskOptions } from "../../types.ts";
import type { BlockReader } from "../disk/block-reader.ts";
import { openDisk } from "../disk/open-disk.ts";
import { dropLayers } from "../layer-cache.ts";
import type { WrittenDisk } from "../layers.ts";
import { digestOf } from "../oci/blobs.ts";
import { invalidImage } from "../oci/invalid.ts";
import type { Manifest } from "../oci/schemas.ts";
import { largestBlob } from "./check.ts";
import { decompressChunk } from "./compress.ts";
import type { DiskChunk, DiskConfig } from "./format.ts";
import { isThere, pathOf } from "./holes.ts";
import { lengthOf, readLocal } from "./local.ts";
import { cloneOfImage } from "./push.ts";

/** What a disk is written from. */
export interface Restore {
  readonly installation: Installation;
  readonly config: DiskConfig;
  readonly manifest: Manifest;
  readonly layout: string;
  readonly base: ImageRecord | undefined;
  readonly cloneId: string;
  readonly cache: string;
}

/**
 * Writes the disk. Every chunk is compared with its digest, so that it is the one that was pushed. Post-condition: it is there
 * whole, not yet durable; or an error, and nothing at `target`.
 */
export async function writeDisk(restore: Restore, target: string, task: TaskOptions): Promise<WrittenDisk> {
  const { installation, base, cloneId } = restore;
  try {
    if (base === undefined) return await writeChunks(restore, undefined, target, task);
    await using disk = await cloneOfImage(installation, base, cloneId);
    await using reader = await openDisk(disk);
    return await writeChunks(restore, reader, target, task);
  } catch (error) {
    await rm(target, { force: true });
    throw error;
  }
}

async function writeChunks(
  restore: Restore,
  base: BlockReader | undefined,
  target: string,
  { signal, onProgress }: TaskOptions,
): Promise<WrittenDisk> {
  const { config } = restore;
  {
    await using file = await open(target, "w", 0o600);
    await file.truncate(config.diskBytes);
    for (const [done, chunk] of config.chunks.entries()) {
      signal?.throwIfAborted();
      const bytes = (base && (await readLocal(base, chunk, config))) ?? (await fetchedChunk(restore, chunk));
      await writeAll(file, bytes, chunk.at * config.chunkBytes);
      onProgress?.({ step: "writing the disk", done: done + 1, total: config.chunks.length });
    }
  }
  const usedBytes = (await stat(target)).blocks * 512;
  return { sizeBytes: config.diskBytes, usedBytes, inodeCount: 0, uuid: "", diffIds: [] };
}

async function writeAll(
  file: Awaited<ReturnType<typeof open>>,
  bytes: Buffer,
  offset: number,
): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
  }
}

async function fetchedChunk({ config, manifest, layout, cache }: Restore, chunk: DiskChunk): Promise<Buffer> {
  const layer = manifest.layers[chunk.layer]?.digest ?? "";
  try {
    const path = pathOf(layout, layer);
    if (!isThere(layout, layer)) throw invalidImage("a chunk of the disk is missing");
    if ((await stat(path)).size > largestBlob(config.chunkBytes)) throw invalidImage("a chunk is too large");
    const bytes = decompressChunk(await readFile(path), lengthOf(chunk.at, config));
    if (digestOf(bytes) === chunk.digest) return bytes;
    throw new EmberError("verification-failed", `chunk ${chunk.at} of the disk is not what was pushed`, {
      hint: "it was damaged or changed on the way: fetch it again",
    });
  } catch (error) {
    dropLayers(cache, [layer]);
    throw error;
  }
}
