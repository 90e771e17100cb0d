import { closeSync, ftruncateSync, lstatSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { blobsOf } from "../layer-cache.ts";
import type { Descriptor, Manifest } from "../oci/schemas.ts";
import type { DiskConfig } from "./format.ts";

/** For the layers all of whose chunks are at hand. Returns the holes' paths. */
export function makeHoles(
  layout: string,
  { layers }: Manifest,
  { chunks }: DiskConfig,
  local: ReadonlySet<number>,
): string[] {
  mkdirSync(blobsOf(layout), { recursive: true, mode: 0o700 });
  const needed = new Set(chunks.filter(({ at }) => !local.has(at)).map(({ layer }) => layer));
  return layers.flatMap((layer, index) => {
    if (needed.has(index) || isThere(layout, layer.digest)) return [];
    return [makeHole(layout, layer)];
  });
}

export function pathOf(layout: string, digest: string): string {
  return join(blobsOf(layout), digest.slice("sha256:".length));
}

export function isThere(layout: string, digest: string): boolean {
  return lstatSync(pathOf(layout, digest), { throwIfNoEntry: false }) !== undefined;
}

export function makeHole(layout: string, { digest, size }: Descriptor): string {
  const path = pathOf(layout, digest);
  const file = openSync(path, "w", 0o600);
  try {
    ftruncateSync(file, size);
  } finally {
    closeSync(file);
  }
  return path;
}
