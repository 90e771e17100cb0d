import { createReadStream, existsSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { EmberError } from "../../errors/ember-error.ts";
import { blobsOf } from "../layer-cache.ts";
import type { LayerSource } from "../layers.ts";
import type { Descriptor } from "../oci/schemas.ts";

/** Often enough that nobody waits for it. */
const pollMs = 10;
const chunkBytes = 512 * 1024;

/** A copy into a layout that is under way. */
export interface Copy {
  /** Fulfilled when everything is in the layout. Never an unhandled rejection. */
  readonly done: Promise<void>;
  readonly isOver: boolean;
  /** Post-condition: nothing is copied any more. Idempotent. */
  stop(): Promise<void>;
}

/** Begins a copy. What `work` throws is thrown by `done`, and by whoever waits for a layer that never came. */
export function beginCopy(
  work: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal | undefined,
): Copy {
  const stopped = new AbortController();
  const signals = signal === undefined ? [stopped.signal] : [signal, stopped.signal];
  let isOver = false;
  const done = work(AbortSignal.any(signals)).finally(() => {
    isOver = true;
  });
  done.catch(() => undefined); // whoever asks for it learns
  return {
    done,
    get isOver() {
      return isOver;
    },
    stop: async () => {
      stopped.abort();
      await done.catch(() => undefined);
    },
  };
}

/**
 * A layer that the copy brings, readable as soon as it is there whole. Whoever copies gives a blob its name once it
 * has compared the digest (skopeo does).
 */
export function arrivingLayer(layout: string, { digest, size }: Descriptor, copy: Copy): LayerSource {
  const path = join(blobsOf(layout), digest.slice("sha256:".length));
  const open = async (): Promise<Readable> => {
    while (!existsSync(path) && !copy.isOver) await sleep(pollMs);
    if (!existsSync(path)) {
      await copy.done;
      throw new EmberError("image-invalid", `layer ${digest} did not come with the image`);
    }
    return createReadStream(path, { highWaterMark: chunkBytes });
  };
  return { open, digest, isChecked: true, sizeBytes: size };
}
