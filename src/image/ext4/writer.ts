import type { BodySink, SparseSegment } from "../tar/entry.ts";
import { BlockAllocator } from "./allocator.ts";
import { crc32c } from "./crc32c.ts";
import { hashSeedOf } from "./directory-hash.ts";
import { DiskFile } from "./disk-file.ts";
import { writeContent } from "./file-content.ts";
import { type FinishedDisk, type FinishOptions, finishVolume } from "./finish.ts";
import { type FileContent, plainAttributes } from "./inode.ts";
import { descriptorAreaFor } from "./layout.ts";
import { FileTree } from "./tree.ts";
import { parseUuid } from "./uuid.ts";
import type { Volume } from "./volume.ts";

export interface Ext4Options {
  /** The disk's size. Default: what the content takes up, and `minFreeBytes` more, rounded up to a MiB. */
  readonly sizeBytes?: number | undefined;
  /** How much must be free for files. Default: 64 MiB for a disk of no given size, else nothing. */
  readonly minFreeBytes?: number | undefined;
  /** Up to 16 bytes. */
  readonly label?: string | undefined;
  /** The time of all that no archive gives a time, in seconds since 1970. Default: 0. */
  readonly timestampSeconds?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Ext4Identity {
  readonly uuid: string;
  /** A UUID that the order of large folders depends on. Default: `uuid`. */
  readonly hashSeed?: string | undefined;
}

const defaultFreeBytes = 64 * 1024 * 1024;

/**
 * Writes an ext4 file system into a sparse file, without root and without mounting. Contents go to the disk as they
 * come, names and attributes are kept in `tree` until `finish`. The same calls make the same bytes.
 */
export class Ext4Writer {
  readonly tree: FileTree;
  readonly #volume: Volume;
  readonly #options: Omit<FinishOptions, "uuid" | "hashSeed">;
  #state: "open" | "finished" | "aborted" = "open";

  private constructor(volume: Volume, options: Omit<FinishOptions, "uuid" | "hashSeed">) {
    this.#volume = volume;
    this.#options = options;
    this.tree = new FileTree(plainAttributes(options.timestampSeconds), (extents) => {
      for (const { physical, length } of extents)
        volume.allocator.release({ start: physical, length, fresh: false });
    });
  }

  /**
   * Begins a disk at `path`; a file that is there is replaced. The caller ends with `finish` or `abort`.
   * Throws system errors of the file system that `path` lies on.
   */
  static async create(path: string, options: Ext4Options): Promise<Ext4Writer> {
    const descriptorArea = descriptorAreaFor(options.sizeBytes);
    const volume: Volume = {
      disk: await DiskFile.create(path),
      allocator: new BlockAllocator(1 + descriptorArea),
    };
    return new Ext4Writer(volume, {
      sizeBytes: options.sizeBytes,
      minFreeBytes: options.minFreeBytes ?? (options.sizeBytes === undefined ? defaultFreeBytes : 0),
      descriptorArea,
      label: options.label ?? "",
      timestampSeconds: options.timestampSeconds ?? 0,
      signal: options.signal,
    });
  }

  /** Writes a file's content, handed over in ascending order by `read`; the result is for a file of `tree`. A promise only when there is something to wait for. */
  writeContent(
    file: { readonly sizeBytes: number; readonly sparse?: readonly SparseSegment[] | undefined },
    read: (sink: BodySink) => void | Promise<void>,
  ): FileContent | Promise<FileContent> {
    return writeContent(this.#volume, file, read);
  }

  /**
   * Completes the disk and closes it. Post-condition: a clean file system; its bytes are with the kernel, but whoever
   * publishes the file makes them durable. Throws `disk-full` when a given size is too small, `image-invalid` when
   * ext4 cannot hold something.
   */
  async finish(identity: Ext4Identity): Promise<FinishedDisk> {
    const uuid = parseUuid(identity.uuid);
    const hashSeed = identity.hashSeed === undefined ? uuid : parseUuid(identity.hashSeed);
    const sealed = { ...this.#volume, seed: crc32c(0xffffffff, uuid), hashSeed: hashSeedOf(hashSeed) };
    const result = await finishVolume(sealed, this.tree, { ...this.#options, uuid, hashSeed });
    await this.#volume.disk.close();
    this.#state = "finished";
    return result;
  }

  /** Removes the disk unless it is finished. Idempotent. */
  async abort(): Promise<void> {
    if (this.#state !== "open") return;
    this.#state = "aborted";
    await this.#volume.disk.remove();
  }
}
