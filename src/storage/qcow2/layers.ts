import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { EmberError, errnoCode } from "../../errors/ember-error.ts";
import { syncFolder } from "../../host/files.ts";
import { listDisks } from "../disk-files.ts";
import { idsOf, type Layout, snapshotPath, vmPath } from "../layout.ts";
import { readScratchName } from "../scratch.ts";
import type { Backing } from "./header.ts";
import { readOverlay } from "./overlay.ts";

/**
 * Layers: what a VM's overlay was when it was forked or a snapshot was made, read-only from then on, shared by source,
 * forks and snapshots. A backing name is relative to the folder of the file that has it (`vms`, `snapshots`, `layers`
 * and `staging` lie side by side), so the storage's folder can be moved.
 */
export interface Qcow2Layout extends Layout {
  readonly layers: string;
}

const backingForm = /^\.\.\/(?:images\/([0-9a-f]{8,32})\.ext4|layers\/([0-9a-f]{8,32})\.qcow2)$/;

/** What an overlay lies on. `layerId` is undefined when that is an image. */
export interface Base {
  readonly path: string;
  readonly backing: Backing;
  readonly imageId: string | undefined;
  readonly layerId: string | undefined;
}

export function imageBase(layout: Qcow2Layout, imageId: string): Base {
  return { ...base(layout, `images/${imageId}.ext4`, "raw"), imageId, layerId: undefined };
}

export function layerBase(layout: Qcow2Layout, layerId: string): Base {
  return { ...base(layout, `layers/${layerId}.qcow2`, "qcow2"), imageId: undefined, layerId };
}

function base(layout: Qcow2Layout, file: string, format: Backing["format"]): Pick<Base, "path" | "backing"> {
  return { path: join(layout.folder, file), backing: { name: `../${file}`, format } };
}

export function newLayerId(): string {
  return randomBytes(8).toString("hex");
}

/** What the overlay at `path` says it lies on. Throws `io-failed` for a name that ember does not give. */
export function readBase(layout: Qcow2Layout, path: string, backingName: string): Base {
  const parts = backingForm.exec(backingName);
  if (parts?.[1] !== undefined) return imageBase(layout, parts[1]);
  if (parts?.[2] !== undefined) return layerBase(layout, parts[2]);
  throw new EmberError("io-failed", `'${path}' lies on a file that is not the storage's`);
}

/** All files that make up the disk at `path`: itself, its layers, the image last. Throws `io-failed`, ENOENT. */
export async function chainOf(layout: Qcow2Layout, path: string): Promise<string[]> {
  const chain = [path];
  for (let current = path; ; ) {
    const next = readBase(layout, current, (await readOverlay(current)).backingName);
    if (chain.includes(next.path)) throw new EmberError("io-failed", `'${path}' lies on itself`);
    chain.push(next.path);
    if (next.layerId === undefined) return chain;
    current = next.path;
  }
}

/**
 * Every file that a disk needs, among the layers and images. The order matters, for no lock is held: a clone in
 * the making is in `staging` before it needs a layer, and in `vms` or `snapshots` before it leaves `staging`, so
 * whoever lists the layers first, then `staging`, then those, sees every use.
 */
export async function filesInUse(layout: Qcow2Layout): Promise<Set<string>> {
  const used = new Set<string>();
  for (const name of readdirSync(layout.staging)) {
    const scratch = readScratchName(name);
    if (scratch?.kind === "new" && scratch.ownerAlive)
      await followScratch(layout, join(layout.staging, name), used);
  }
  const { vmIds, snapshots } = listDisks(layout);
  for (const snapshot of snapshots) await follow(layout, snapshotPath(layout, snapshot), used);
  for (const vmId of vmIds) await follow(layout, vmPath(layout, { vmId }), used);
  return used;
}

/** A scratch file may be half written; its owner looks for the base once it is whole. */
async function followScratch(layout: Qcow2Layout, path: string, used: Set<string>): Promise<void> {
  try {
    await readOverlay(path);
  } catch (error) {
    if (errnoCode(error) === "ENOENT" || (error instanceof EmberError && error.code === "io-failed")) return;
    throw error;
  }
  await follow(layout, path, used);
}

async function follow(layout: Qcow2Layout, path: string, used: Set<string>): Promise<void> {
  for (let current = path; ; ) {
    let next: Base;
    try {
      next = readBase(layout, current, (await readOverlay(current)).backingName);
    } catch (error) {
      if (errnoCode(error) === "ENOENT") return; // gone, or given its final name, in between
      throw error;
    }
    if (used.has(next.path)) return;
    used.add(next.path);
    if (next.layerId === undefined) return;
    current = next.path;
  }
}

/**
 * Removes the layers that no disk needs. Idempotent. One disk that cannot be read keeps all layers: which ones it
 * needs cannot be told.
 */
export async function collectLayers(layout: Qcow2Layout): Promise<void> {
  const layers = idsOf(readdirSync(layout.layers), ".qcow2").map((id) => layerBase(layout, id).path);
  if (layers.length === 0) return;
  let used: Set<string>;
  try {
    used = await filesInUse(layout);
  } catch (error) {
    if (error instanceof EmberError && error.code === "io-failed") return;
    throw error;
  }
  const unused = layers.filter((path) => !used.has(path));
  for (const path of unused) await rm(path, { force: true });
  if (unused.length > 0) syncFolder(layout.layers);
}

/**
 * Removes disks that were given the scratch names `paths`, and then the layers that only they needed: until the layers
 * are done, the scratch files make the next command finish the work. Those that are not there are passed over.
 */
export async function dropped(layout: Qcow2Layout, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    if (!(await liesOnLayer(layout, path))) continue;
    await collectLayers(layout);
    break;
  }
  for (const path of paths) await rm(path, { force: true });
}

async function liesOnLayer(layout: Qcow2Layout, path: string): Promise<boolean> {
  try {
    return readBase(layout, path, (await readOverlay(path)).backingName).layerId !== undefined;
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return false;
    if (error instanceof EmberError && error.code === "io-failed") return true; // unreadable: it may have
    throw error;
  }
}
