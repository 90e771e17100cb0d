import { type FileHandle, open, rm, stat } from "node:fs/promises";
import { EmberError, toEmberError } from "../../errors/ember-error.ts";
import type { TaskOptions } from "../../types.ts";
import type { BlockReader } from "../disk/block-reader.ts";
import type { WrittenDisk } from "../layers.ts";

const chunkBytes = 1024 * 1024;
/** What storages and file systems make holes of. */
const blockBytes = 4096;
const zeros = Buffer.alloc(blockBytes);
/** Disks of VMs are whole mebibytes. */
const diskUnitBytes = 1024 * 1024;

/**
 * Writes `disk` to the file `target` block for block; what is zeros is not written. Its size is rounded up to whole
 * mebibytes. Post-condition: it is there whole, not yet durable; or an error, and nothing at `target`. Throws `disk-full`,
 * `interrupted`, and what reading the disk throws.
 */
export async function copyDisk(
  disk: BlockReader,
  target: string,
  { signal, onProgress }: TaskOptions,
): Promise<WrittenDisk> {
  const sizeBytes = Math.ceil(disk.sizeBytes / diskUnitBytes) * diskUnitBytes;
  try {
    await using file = await open(target, "w", 0o600);
    await file.truncate(sizeBytes);
    for (let at = 0; at < disk.sizeBytes; at += chunkBytes) {
      if (signal?.aborted === true)
        throw new EmberError("interrupted", "writing the image's disk was interrupted");
      const bytes = await disk.read(at, Math.min(chunkBytes, disk.sizeBytes - at));
      for (const { start, end } of dataIn(bytes))
        await writeAll(file, bytes.subarray(start, end), at + start);
      onProgress?.({ step: "writing the disk", done: at + bytes.length, total: disk.sizeBytes });
    }
  } catch (error) {
    await rm(target, { force: true });
    throw toEmberError(error);
  }
  const usedBytes = (await stat(target)).blocks * 512;
  return { sizeBytes, usedBytes, inodeCount: 0, uuid: "", diffIds: [] };
}

/** The pieces of `bytes` that are not zeros, in whole blocks. */
function* dataIn(bytes: Buffer): Generator<{ readonly start: number; readonly end: number }> {
  let start = -1;
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const block = bytes.subarray(at, at + blockBytes);
    const isHole = block.equals(zeros.subarray(0, block.length));
    if (!isHole && start < 0) start = at;
    if (!isHole || start < 0) continue;
    yield { start, end: at };
    start = -1;
  }
  if (start >= 0) yield { start, end: bytes.length };
}

async function writeAll(file: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
  }
}
