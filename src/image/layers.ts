import { createHash } from "node:crypto";
import { EmberError, toEmberError } from "../errors/ember-error.ts";
import { uuidOf } from "./ext4/uuid.ts";
import { Ext4Writer } from "./ext4/writer.ts";
import { LayersAhead } from "./layers/ahead.ts";
import { LayerApplier } from "./layers/apply.ts";
import { defaultLimits, LayerBudget, type LayerLimits } from "./layers/limits.ts";
import { type LayerSource, type OpenedLayer, openLayer } from "./layers/source.ts";
import { TarReader } from "./tar/reader.ts";

export type { LayerLimits } from "./layers/limits.ts";
export type { LayerSource } from "./layers/source.ts";

export interface WriteLayersOptions {
  /** The lowest first. */
  readonly layers: readonly LayerSource[];
  /** Where the disk is written; a file that is there is replaced. Nothing is left there when it fails. */
  readonly target: string;
  /** The disk's size. Default: what the layers take up, and `minFreeBytes` more. */
  readonly sizeBytes?: number | undefined;
  /** What must be free for files. Default: 64 MiB for a disk of no given size, else nothing. */
  readonly minFreeBytes?: number | undefined;
  /** The file system's UUID. Default: made from the layers' digests. */
  readonly uuid?: string | undefined;
  readonly label?: string | undefined;
  /** The time of what the layers give no time, in seconds since 1970. Default: 0. */
  readonly timestampSeconds?: number | undefined;
  readonly limits?: Partial<LayerLimits> | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: LayerProgress) => void) | undefined;
}

export interface LayerProgress {
  /** From 0. */
  readonly layer: number;
  readonly layers: number;
  /** Of this layer's blob, as it is stored. */
  readonly readBytes: number;
  readonly totalBytes: number | undefined;
  /** Entries of all layers so far. */
  readonly entries: number;
}

export interface WrittenDisk {
  readonly sizeBytes: number;
  readonly usedBytes: number;
  readonly inodeCount: number;
  readonly uuid: string;
  /** The digest of each layer's archive, decompressed: as promised, or computed where nothing was. */
  readonly diffIds: readonly string[];
}

/** How many entries are applied between two looks at signal and progress. */
const entriesPerReport = 256;

/**
 * Lays layers over each other and writes the result as one ext4 disk, without root. Post-condition: a complete disk
 * at `target` that is not yet durable, or an error and nothing at `target`. The same layers and options make the same
 * bytes. Throws `image-invalid`, `verification-failed`, `disk-full`, `interrupted`, `tool-missing`, and what a
 * layer's `open` throws.
 */
export async function writeLayers(options: WriteLayersOptions): Promise<WrittenDisk> {
  try {
    const writer = await Ext4Writer.create(options.target, options);
    try {
      return await writeAll(writer, options);
    } finally {
      await writer.abort(); // does nothing once it is finished
    }
  } catch (error) {
    if (options.signal?.aborted === true && !(error instanceof EmberError && error.code !== "tool-failed")) {
      throw new EmberError("interrupted", "writing the image's disk was interrupted", { cause: error });
    }
    throw toEmberError(error);
  }
}

async function writeAll(writer: Ext4Writer, options: WriteLayersOptions): Promise<WrittenDisk> {
  const budget = new LayerBudget({ ...defaultLimits, ...options.limits });
  const applier = new LayerApplier(writer, budget, options.timestampSeconds ?? 0);
  const { signal } = options;
  using ahead = new LayersAhead(options.layers, (source) =>
    openLayer(source, { signal, onBytes: (count) => budget.addBytes(count) }),
  );
  const diffIds: string[] = [];
  for (const index of options.layers.keys()) {
    try {
      const opened = await ahead.next();
      if (opened !== undefined) diffIds.push(await writeLayer(opened, index, { applier, budget, options }));
    } catch (error) {
      throw inLayer(error, index, options.layers.length);
    }
  }
  const uuid =
    options.uuid ??
    uuidOf(
      createHash("sha256")
        .update(`ember ext4\n${diffIds.join("\n")}`)
        .digest(),
    );
  return { ...(await writer.finish({ uuid })), uuid, diffIds };
}

interface Work {
  readonly applier: LayerApplier;
  readonly budget: LayerBudget;
  readonly options: WriteLayersOptions;
}

/** Returns the layer's diffId. */
async function writeLayer(opened: OpenedLayer, index: number, work: Work): Promise<string> {
  const { signal, onProgress, layers } = work.options;
  const reader = new TarReader(opened.content);
  const report = (): void => {
    signal?.throwIfAborted();
    onProgress?.({
      layer: index,
      layers: layers.length,
      readBytes: opened.blobBytes(),
      totalBytes: layers[index]?.sizeBytes,
      entries: work.budget.entries,
    });
  };
  try {
    let count = 0;
    for (;;) {
      let entry = reader.next();
      if (entry instanceof Promise) entry = await entry;
      if (entry === undefined) break;
      const waiting = work.applier.apply(entry, reader, index);
      if (waiting !== undefined) await waiting;
      if (++count % entriesPerReport === 0) report();
    }
    await reader.drain();
    report();
    return opened.verify();
  } finally {
    await reader.close();
    await opened.close(); // also when nobody has begun to read
  }
}

/** Says which layer it was, where that is the layer's fault. */
function inLayer(error: unknown, index: number, count: number): unknown {
  if (!(error instanceof EmberError)) return error;
  if (error.code !== "image-invalid" && error.code !== "verification-failed") return error;
  const hint = error.hint === undefined ? {} : { hint: error.hint };
  return new EmberError(error.code, `layer ${index + 1} of ${count}: ${error.message}`, {
    ...hint,
    cause: error,
  });
}
