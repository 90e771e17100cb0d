import { linkSync, lstatSync, mkdirSync, readdirSync, rmSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { errnoCode } from "../errors/ember-error.ts";
import { ensurePrivateFolder } from "../host/files.ts";

/**
 * Layers that were fetched, each kept once, by digest: an image that shares them with another fetches only what is new,
 * and a pull that was interrupted goes on. They are links to what skopeo fetched, so whoever uses one keeps it however it is
 * pruned. Digests are checked whenever a layer is read, here as anywhere.
 */
export function layerCacheOf(stateDir: string): string {
  return join(stateDir, "layers");
}

/** Where an OCI layout has its blobs. */
export function blobsOf(layout: string): string {
  return join(layout, "blobs", "sha256");
}

const digest = /^sha256:([0-9a-f]{64})$/;

/** Post-condition: those of the layers that are kept are in the layout. Returns how many bytes that are. */
export function takeLayers(cache: string, layout: string, digests: readonly string[]): number {
  let bytes = 0;
  for (const text of digests) {
    const name = digest.exec(text)?.[1];
    const facts = name === undefined ? undefined : lstatSync(join(cache, name), { throwIfNoEntry: false });
    if (name === undefined || facts?.isFile() !== true) continue;
    mkdirSync(blobsOf(layout), { recursive: true, mode: 0o700 });
    if (!link(join(cache, name), join(blobsOf(layout), name))) continue;
    utimesSync(join(cache, name), new Date(), new Date()); // its age is since it was last of use
    bytes += facts.size;
  }
  return bytes;
}

/**
 * Post-condition: what the layout holds under a digest is kept. Only what is whole has such a name: skopeo gives it once
 * it has checked the content. Never throws for a layout that is not there.
 */
export function keepLayers(cache: string, layout: string): void {
  const names = entriesOf(blobsOf(layout)).filter((name) => /^[0-9a-f]{64}$/.test(name));
  if (names.length === 0) return;
  ensurePrivateFolder(cache);
  for (const name of names) {
    const path = join(blobsOf(layout), name);
    if (lstatSync(path, { throwIfNoEntry: false })?.isFile() === true) link(path, join(cache, name));
  }
}

/** For layers that turned out to be damaged. Idempotent. */
export function dropLayers(cache: string, digests: readonly string[]): void {
  for (const text of digests) {
    const name = digest.exec(text)?.[1];
    if (name !== undefined) rmSync(join(cache, name), { force: true });
  }
}

/** Removes those that were of no use for so long (all, for 0). Returns how many, and what became free. */
export function pruneLayers(cache: string, unusedForMs: number): { files: number; bytes: number } {
  const total = { files: 0, bytes: 0 };
  const latest = Date.now() - unusedForMs;
  for (const name of entriesOf(cache)) {
    const path = join(cache, name);
    const facts = lstatSync(path, { throwIfNoEntry: false });
    if (facts === undefined || (unusedForMs > 0 && facts.mtimeMs > latest)) continue;
    rmSync(path, { recursive: true, force: true });
    total.files += 1;
    total.bytes += facts.blocks * 512;
  }
  return total;
}

/** Returns whether the target is there afterwards: a cache that cannot be used is none. */
function link(source: string, target: string): boolean {
  try {
    linkSync(source, target);
    return true;
  } catch (error) {
    if (errnoCode(error) === "EEXIST") return true;
    if (["EXDEV", "EMLINK", "EPERM", "ENOTSUP", "ENOENT"].includes(errnoCode(error) ?? "")) return false;
    throw error;
  }
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errnoCode(error) ?? "")) return [];
    throw error;
  }
}
