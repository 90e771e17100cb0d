import type { ImageConfig, TaskOptions } from "../../types.ts";
import type { LayerSource, WrittenDisk } from "../layers.ts";

/** What tells whether an image has changed since it was made. */
export interface ImageIdentity {
  /** "sha256:..." of the manifest, or of the file. */
  readonly digest: string;
  readonly architecture: string;
}

interface ImageLayers extends ImageIdentity {
  /** The lowest first. They may lie in the folder that `fetch` was given. */
  readonly layers: readonly LayerSource[];
  /** Of the layers that were not fetched but kept from before; undefined when there were none. */
  readonly keptBytes?: number | undefined;
}

/** An image on this host, ready to be written to a disk. */
export interface FetchedImage extends ImageLayers {
  readonly config: ImageConfig;
  /** Only of what has no layers: writes the disk itself, as `writeLayers` does. */
  readonly writeDisk?: (target: string, signal: AbortSignal | undefined) => Promise<WrittenDisk>;
}

/** An image on its way. Each layer can be read as soon as it is here: opening one waits for that. */
export interface ArrivingImage extends ImageLayers {
  readonly arrival: Arrival;
}

/** What is still to come. */
export interface Arrival {
  readonly isOver: boolean;
  /**
   * Waits until everything is here. `diffIds` are those of the layers, as they were read. Throws what fetching throws, and
   * `verification-failed` for a content that is not the image's.
   */
  complete(diffIds: readonly string[]): Promise<ImageConfig>;
  /** Post-condition: nothing writes to the folder any more. Idempotent. */
  stop(): Promise<void>;
}

/** Where an image comes from. */
export interface ImageOrigin {
  /** For people, and to tell whether an image that is there came from the same place. */
  readonly source: string;
  /** What is recorded when an image was made: "image.pulled", ... */
  readonly event: string;
  /** Finds out what `fetch` would bring, without bringing it; undefined when only `fetch` can tell. */
  identify(task: TaskOptions): Promise<ImageIdentity | undefined>;
  /**
   * Brings the image here. `folder` is empty, private, and removed when the image was made or when that failed. Nothing
   * that it started writes there any more when it throws, or when it returns a whole image. `layerCache` is the folder of the
   * layers that are kept.
   */
  fetch(folder: string, task: TaskOptions, layerCache: string): Promise<FetchedImage | ArrivingImage>;
}
