import { join } from "node:path";
import { EmberError } from "../errors/ember-error.ts";
import type { Installation } from "../installation.ts";
import { recordEvent } from "../state/events.ts";
import {
  deleteImageRecord,
  findImage,
  findImageById,
  type ImageRecord,
  insertImage,
  renameImage,
} from "../state/images.ts";
import type { Operation, OperationData, Step } from "../state/journal.ts";
import type { ImageConfig, RootFileSystem, TaskOptions } from "../types.ts";
import { pushOperation } from "./artifact/push.ts";
import { rootFileSystemOf } from "./cloud/file-systems.ts";
import { openRaw } from "./disk/raw-disk.ts";
import { blobsOf, dropLayers, keepLayers, layerCacheOf } from "./layer-cache.ts";
import { type LayerProgress, type WrittenDisk, writeLayers } from "./layers.ts";
import { retiredName } from "./names.ts";
import type { Arrival, ArrivingImage, FetchedImage, ImageOrigin } from "./origins/origin.ts";
import { layoutName } from "./skopeo/skopeo.ts";
import { makeWorkplace, removeWorkplace, workplaceOf } from "./workplace.ts";

type ImageStep = Step<Installation>;

/** An image that is to be made. What its operation's data says too, so that another process can undo it: id and names. */
export interface NewImage {
  readonly id: string;
  readonly name: string;
  readonly origin: ImageOrigin;
  readonly task: TaskOptions;
}

/**
 * Makes an image. Undone as a whole: nobody sees it before its last step. `data`: `imageId`, `name` and, when another
 * image has that name, `replacedId`; that one goes on under another name.
 */
export function createImageOperation(image?: NewImage): Operation<Installation> {
  const made: Made = { image, fetched: undefined, config: undefined, disk: undefined, fileSystem: "ext4" };
  return {
    kind: "image.create",
    recovery: "undo",
    steps: [fetchStep(made), diskStep(made), importStep(made), tidyStep, recordStep(made)],
  };
}

/** What the steps of one run hand on to each other beside the journal; the undoing of a step never needs it. */
interface Made {
  readonly image: NewImage | undefined;
  fetched: FetchedImage | ArrivingImage | undefined;
  config: ImageConfig | undefined;
  disk: WrittenDisk | undefined;
  fileSystem: RootFileSystem;
}

function fetchStep(made: Made): ImageStep {
  return {
    name: "fetch",
    run: async (installation) => {
      await fetch(installation, made);
      return undefined;
    },
    undo: async (installation, data) => {
      await arrivalOf(made)?.stop();
      // Of the image that an artifact is restored from.
      await (await installation.storage()).removeVm({ vmId: imageIdOf(data) });
      await tidy(installation, data);
    },
  };
}

/** What this process itself has begun, and has not ended. */
function arrivalOf({ fetched }: Made): Arrival | undefined {
  return fetched !== undefined && "arrival" in fetched ? fetched.arrival : undefined;
}

async function fetch({ paths }: Installation, made: Made): Promise<void> {
  const { id, origin, task } = present(made.image);
  const folder = await makeWorkplace(paths.stateDir, id);
  made.fetched = await origin.fetch(folder, task, layerCacheOf(paths.stateDir));
}

function diskStep(made: Made): ImageStep {
  return {
    name: "disk",
    run: async (installation, data, signal) => {
      const target = await (await installation.storage()).stagingPath(imageIdOf(data));
      try {
        await write(made, target, signal);
      } catch (error) {
        if (!isDamage(error)) throw error;
        forgetDamaged(installation, made);
        if (present(made.fetched).keptBytes === undefined) throw error;
        // It may be one that was kept, and no fault of where the image comes from.
        installation.verbose(`a layer that was kept is damaged, so all are fetched again: ${error.message}`);
        await fetch(installation, made);
        await write(made, target, signal);
      }
      return undefined;
    },
    undo: removeDisk,
  };
}

async function write(made: Made, target: string, signal: AbortSignal | undefined): Promise<void> {
  const { name, task } = present(made.image);
  const fetched = present(made.fetched);
  const arrival = arrivalOf(made);
  const onProgress = (progress: LayerProgress): void => {
    // While something is fetched, that is what takes the time.
    if (arrival?.isOver !== false) task.onProgress?.(layerProgress(progress));
  };
  const writer = "writeDisk" in fetched ? fetched.writeDisk : undefined;
  try {
    made.disk = await (writer?.(target, signal) ??
      writeLayers({ layers: fetched.layers, target, signal, onProgress }));
    if (writer !== undefined) made.fileSystem = await fileSystemOn(target);
    made.config = "arrival" in fetched ? await fetched.arrival.complete(made.disk.diffIds) : fetched.config;
  } catch (error) {
    await arrival?.stop();
    throw error instanceof EmberError && error.code === "disk-full" ? noRoom(name, error) : error;
  }
}

/** Of a disk that did not become what it is here. */
async function fileSystemOn(path: string): Promise<RootFileSystem> {
  await using disk = await openRaw(path);
  return await rootFileSystemOf(disk);
}

function noRoom(name: string, cause: EmberError): EmberError {
  return new EmberError("disk-full", `there is no space left for the disk of image '${name}'`, {
    hint: "free some space where the state folder lies, then try again: 'ember prune' helps",
    cause,
  });
}

function importStep(made: Made): ImageStep {
  return {
    name: "import",
    run: async (installation, data) => {
      const storage = await installation.storage();
      const imageId = imageIdOf(data);
      present(made.image).task.onProgress?.({ step: "storing the disk" });
      await storage.importImage({ imageId }, await storage.stagingPath(imageId));
      return undefined;
    },
    undo: removeDisk,
  };
}

async function removeDisk(installation: Installation, data: OperationData): Promise<void> {
  await (await installation.storage()).removeImage({ imageId: imageIdOf(data) });
}

const tidyStep: ImageStep = {
  name: "tidy",
  run: async (installation, data) => {
    await tidy(installation, data);
    return undefined;
  },
};

/** Layers that came whole are kept, whatever became of the image. */
async function tidy({ paths }: Installation, data: OperationData): Promise<void> {
  const folder = workplaceOf(paths.stateDir, imageIdOf(data));
  keepLayers(layerCacheOf(paths.stateDir), join(folder, layoutName));
  await removeWorkplace(paths.stateDir, imageIdOf(data));
}

/** Whether something is wrong with layers themselves; the digest is only compared at the end of each. */
function isDamage(error: unknown): error is EmberError {
  return error instanceof EmberError && ["verification-failed", "image-invalid"].includes(error.code);
}

/** Neither in the cache nor where they would be taken into it from: they are fetched again. */
function forgetDamaged({ paths }: Installation, made: Made): void {
  const image = present(made.image);
  const digests = present(made.fetched).layers.flatMap(({ digest }) => digest ?? []);
  dropLayers(layerCacheOf(paths.stateDir), digests);
  dropLayers(blobsOf(join(workplaceOf(paths.stateDir, image.id), layoutName)), digests);
}

function recordStep(made: Made): ImageStep {
  return {
    name: "record",
    run: async ({ db }, data) => {
      const { origin } = present(made.image);
      const image = toRecord(data, origin, made);
      const replaced = findImageById(db, data["replacedId"] ?? "");
      db.transaction(() => {
        if (replaced?.name === image.name) {
          renameImage(
            db,
            replaced.id,
            retiredName(replaced, (name) => findImage(db, name) !== undefined),
          );
        }
        insertImage(db, image);
        recordEvent(db, origin.event, image.name, { source: image.source, digest: image.digest });
      });
      return undefined;
    },
    undo: async ({ db }, data) => {
      db.transaction(() => {
        deleteImageRecord(db, imageIdOf(data));
        const replaced = findImageById(db, data["replacedId"] ?? "");
        if (replaced !== undefined) renameImage(db, replaced.id, nameOf(data));
      });
    },
  };
}

function toRecord(data: OperationData, origin: ImageOrigin, made: Made): ImageRecord {
  const [fetched, disk] = [present(made.fetched), present(made.disk)];
  return {
    id: imageIdOf(data),
    name: nameOf(data),
    digest: fetched.digest,
    architecture: fetched.architecture,
    fileSystem: made.fileSystem,
    source: origin.source,
    config: present(made.config),
    diskBytes: disk.sizeBytes,
    usedBytes: disk.usedBytes,
    createdAt: new Date().toISOString(),
    lastUsedAt: null,
  };
}

/** Removes an image. Finished, never undone: from its first step on, nobody sees the image any more. */
export const deleteImageOperation: Operation<Installation> = {
  kind: "image.delete",
  recovery: "finish",
  steps: [
    {
      name: "record",
      run: async ({ db }, data) => {
        db.transaction(() => {
          if (findImageById(db, imageIdOf(data)) === undefined) return; // done before
          deleteImageRecord(db, imageIdOf(data));
          recordEvent(db, "image.deleted", nameOf(data));
        });
        return undefined;
      },
    },
    {
      name: "disk",
      run: async (installation, data) => {
        await removeDisk(installation, data);
        return undefined;
      },
    },
  ],
};

/** For the journal: what a killed command left of these is undone, or finished. */
export const imageOperations: readonly Operation<Installation>[] = [
  createImageOperation(),
  deleteImageOperation,
  pushOperation(),
];

function layerProgress({ layer, layers, readBytes, totalBytes }: LayerProgress): {
  step: string;
  done: number;
  total?: number;
} {
  const step = layers === 1 ? "writing the disk" : `writing layer ${layer + 1} of ${layers}`;
  return { step, done: readBytes, ...(totalBytes === undefined ? {} : { total: totalBytes }) };
}

function imageIdOf(data: OperationData): string {
  return required(data, "imageId");
}

function nameOf(data: OperationData): string {
  return required(data, "name");
}

function required(data: OperationData, key: string): string {
  const value = data[key];
  if (value === undefined) throw new EmberError("internal", `the journal lacks '${key}'`);
  return value;
}

function present<T>(value: T | undefined): T {
  if (value === undefined)
    throw new EmberError("internal", "an image is only made by the command that began it");
  return value;
}
