import { existsSync, statSync } from "node:fs";
import { chmod, link, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { EmberError, errnoCode } from "../../errors/ember-error.ts";
import { isLocked } from "../../host/file-locks.ts";
import { syncFolder } from "../../host/files.ts";
import { statIfThere } from "../disk-files.ts";
import { checkSize } from "../layout.ts";
import { publish } from "../publish.ts";
import { scratchName } from "../scratch.ts";
import { type Base, layerBase, newLayerId, type Qcow2Layout, readBase } from "./layers.ts";
import { type Examined, examineOverlay, readOverlay, writeOverlay } from "./overlay.ts";

export interface NewDisk {
  readonly path: string;
  readonly id: string;
  readonly sizeBytes: number;
  readonly readOnly?: boolean;
}

/**
 * An empty overlay over `base` under its final name. Idempotent for the same size. Throws `vm-exists`, `disk-full`.
 * False, and nothing is made, when the base is not there any more once the overlay, which keeps it, is written.
 */
export async function makeOverlay(layout: Qcow2Layout, disk: NewDisk, base: Base): Promise<boolean> {
  if (statIfThere(disk.path) === undefined) {
    const scratch = join(layout.staging, scratchName("new", disk.id));
    try {
      await writeOverlay(scratch, disk.sizeBytes, base.backing);
      if (!existsSync(base.path)) return false;
      if (disk.readOnly === true) await chmod(scratch, 0o400);
      if (await publish(scratch, disk.path)) return true;
    } finally {
      await rm(scratch, { force: true });
    }
  }
  await checkSame(disk);
  return true;
}

async function checkSame(disk: NewDisk): Promise<void> {
  if ((await readOverlay(disk.path)).sizeBytes === disk.sizeBytes) return;
  throw new EmberError("vm-exists", `there is a disk '${disk.id}' of another size already`);
}

/**
 * `disk` as a fork of the overlay at `source`. What the source has written so far becomes a layer, under both.
 * Killed anywhere, the source is whole, and what is left over is found by `collectLayers` and the scratch sweep.
 * The caller keeps others from writing to or removing the source; forks of one source may run at once.
 */
export async function forkOverlay(layout: Qcow2Layout, source: string, disk: NewDisk): Promise<void> {
  if (statIfThere(disk.path) !== undefined) return checkSame(disk);
  for (let attempts = 0; attempts < 100; attempts += 1) {
    const { inode, header, empty } = await sourceAt(source);
    checkSize(disk.sizeBytes, header.sizeBytes);
    if (isLocked(source)) throw openElsewhere(source);
    // Empty, it was just made, or just forked: both can lie on the same base, and the chain does not grow. The base
    // is gone when another fork's overlay took the source's place, and its base with it.
    const base = empty ? readBase(layout, source, header.backingName) : undefined;
    if (base === undefined) await freeze(layout, source, inode, header.sizeBytes);
    else if (await makeOverlay(layout, disk, base)) return;
  }
  throw new EmberError("busy", `the disk '${source}' is being written to`, {
    hint: "stop the VM, then try again",
  });
}

async function sourceAt(path: string): Promise<Examined> {
  try {
    return await examineOverlay(path);
  } catch (error) {
    if (errnoCode(error) !== "ENOENT") throw error;
    throw new EmberError("vm-not-found", `the disk '${path}' was removed meanwhile`);
  }
}

/**
 * Makes the file at `source` a layer, and puts an empty overlay over it in its place. The link comes before the
 * rename, so `source` is there at every moment; the overlay's scratch file comes before the link, so the layer is
 * in use from its first moment. Does nothing when `source` is not the file `inode` any more: another fork was faster.
 */
async function freeze(layout: Qcow2Layout, source: string, inode: number, sizeBytes: number): Promise<void> {
  const layer = layerBase(layout, newLayerId());
  const successor = join(layout.staging, scratchName("new", ""));
  let linked = false;
  try {
    await writeOverlay(successor, sizeBytes, layer.backing);
    linked = await unlessGone(link(source, layer.path));
    if (!linked || statSync(layer.path).ino !== inode) return;
    syncFolder(layout.layers);
    await rename(successor, source);
    linked = false;
    syncFolder(layout.vms);
    // Not before: until the rename it is the source's own disk. Nobody needs the layer once another fork's is there.
    await unlessGone(chmod(layer.path, 0o400));
  } finally {
    if (linked) await rm(layer.path, { force: true });
    await rm(successor, { force: true });
  }
}

/** False when the file is not there any more: `link` tells so too of one that lost its last name meanwhile. */
async function unlessGone(change: Promise<void>): Promise<boolean> {
  try {
    await change;
    return true;
  } catch (error) {
    if (errnoCode(error) !== "ENOENT") throw error;
    return false;
  }
}

export function openElsewhere(path: string): EmberError {
  return new EmberError("wrong-state", `the disk '${path}' is in use by a hypervisor`, {
    hint: "stop the VM first: storage 'qcow2' cannot do this while it runs or is paused",
  });
}
