import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { ProgressPart } from "../../types.ts";
import { blobsOf } from "../layer-cache.ts";

interface Layer {
  readonly digest: string;
  readonly size: number;
}

interface Arriving {
  readonly id: string;
  readonly bytes: number;
  readonly bornMs: number;
}

/**
 * How much of each layer is here, while skopeo fetches them into an OCI layout. A file has its layer's name only once it is
 * whole; until then files stand for layers in the order in which both begin, which is right unless two begin at
 * once, and is put right when one turns out to be another.
 */
export function watchArrivals(layout: string, layers: readonly Layer[]): () => readonly ProgressPart[] {
  const distinct = [...new Map(layers.map((layer) => [layer.digest, layer])).values()];
  /** Which layer a file that is not whole yet stands for: digests by the file's id. */
  let guesses = new Map<string, string>();
  return () => {
    const done = new Set(
      distinct.flatMap(({ digest, size }) => (isWhole(layout, digest, size) ? [digest] : [])),
    );
    const arriving = arrivingIn(layout);
    guesses = guess(
      distinct.filter(({ digest }) => !done.has(digest)),
      arriving,
      guesses,
    );
    const bytesOf = new Map(arriving.map(({ id, bytes }) => [guesses.get(id), bytes]));
    return distinct.map(({ digest, size }) => ({
      name: digest.slice("sha256:".length, "sha256:".length + 12),
      done: done.has(digest) ? size : Math.min(bytesOf.get(digest) ?? 0, size),
      total: size,
    }));
  };
}

/** Guesses that can still be right stay, so that bars do not jump. */
function guess(
  missing: readonly Layer[],
  arriving: readonly Arriving[],
  before: ReadonlyMap<string, string>,
): Map<string, string> {
  const free = new Map(missing.map((layer) => [layer.digest, layer]));
  const guesses = new Map<string, string>();
  const take = ({ id, bytes }: Arriving, layer: Layer | undefined): void => {
    if (layer === undefined || layer.size < bytes || !free.delete(layer.digest)) return;
    guesses.set(id, layer.digest);
  };
  for (const file of arriving) take(file, free.get(before.get(file.id) ?? ""));
  for (const file of arriving) {
    if (!guesses.has(file.id))
      take(
        file,
        [...free.values()].find(({ size }) => size >= file.bytes),
      );
  }
  return guesses;
}

function isWhole(layout: string, digest: string, size: number): boolean {
  const path = join(blobsOf(layout), digest.slice("sha256:".length));
  return lstatSync(path, { throwIfNoEntry: false })?.size === size;
}

/** Files that skopeo is writing, the oldest first. */
function arrivingIn(layout: string): readonly Arriving[] {
  const found = namesIn(layout).flatMap((name) => {
    const facts = lstatSync(join(layout, name), { throwIfNoEntry: false });
    if (!name.startsWith("oci-put-blob") || facts?.isFile() !== true) return [];
    return [{ id: name, bytes: facts.size, bornMs: facts.birthtimeMs }];
  });
  return found.sort((left, right) => left.bornMs - right.bornMs);
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // not there yet
  }
}
