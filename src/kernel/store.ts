import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { EmberError } from "../errors/ember-error.ts";
import { readScratchName, scratchName } from "../storage/scratch.ts";
import { endBuild } from "./build/builder-process.ts";
import { removeContainer } from "./build/container/leftover.ts";
import { checkKernelName, isKernelName } from "./names.ts";
import { type Kernel, readRecord, toKernel } from "./record.ts";

export type { Kernel } from "./record.ts";

/** Where kernels, and the downloads that they are made from, lie; an installation's `paths` will do. */
export interface KernelPlaces {
  readonly kernelsDir: string;
  readonly cacheDir: string;
}

/** Throws `kernel-not-found`, `kernel-invalid` when its record is damaged, `invalid-name`. */
export function getKernel(places: KernelPlaces, name: string): Kernel {
  const folder = join(places.kernelsDir, checkKernelName(name));
  const record = readRecord(folder);
  if (record === undefined) {
    throw new EmberError("kernel-not-found", `there is no kernel '${name}'`, {
      hint: "see 'ember kernel list', or fetch one: ember kernel pull debian",
    });
  }
  return toKernel(name, folder, record);
}

/** Whether there is a kernel of that name, be it damaged. Throws `invalid-name`. */
export function hasKernel(places: KernelPlaces, name: string): boolean {
  return existsSync(join(places.kernelsDir, checkKernelName(name)));
}

/** All kernels, by name. One whose record is damaged is left out: `getKernel` says what is wrong with it. */
export function listKernels(places: KernelPlaces): readonly Kernel[] {
  return entriesOf(places).flatMap((name) => {
    if (!isKernelName(name)) return [];
    try {
      return [getKernel(places, name)];
    } catch (error) {
      if (error instanceof EmberError) return [];
      throw error;
    }
  });
}

/** Post-condition: there is no kernel of that name, and nothing of it is left. Idempotent. Throws `invalid-name`. */
export async function removeKernel(places: KernelPlaces, name: string): Promise<void> {
  const folder = join(places.kernelsDir, checkKernelName(name));
  if (!existsSync(folder)) return;
  await discard(places, name, folder);
}

/** Removes a folder that has been, or looks like, a kernel: out of sight in one step, so that nobody sees half of one. */
export async function discard(places: KernelPlaces, name: string, folder: string): Promise<void> {
  const rubbish = scratchFolder(places, "new", name);
  await rename(folder, rubbish);
  await rm(rubbish, { recursive: true, force: true });
}

/**
 * Path for a hidden sibling of a kernel's folder, with a name that says whose it is: "new" holds what nobody will miss,
 * "drop" a whole kernel that is being replaced.
 */
export function scratchFolder(places: KernelPlaces, kind: "new" | "drop", name: string): string {
  return join(places.kernelsDir, `.${name}.${scratchName(kind, "")}`);
}

/**
 * Clears what killed commands left. Post-condition: no scratch folder of a process that is gone is there, and a kernel that
 * was being replaced is back when its successor did not get there. Idempotent. Returns the names of what it removed.
 */
export function sweepKernels(places: KernelPlaces): readonly string[] {
  return entriesOf(places).filter((entry) => {
    const scratch = readScratchName(entry);
    const name = /^\.(.+)\.(?:new|drop)-[^.]*\.tmp$/.exec(entry)?.[1];
    if (scratch === undefined || scratch.ownerAlive || name === undefined) return false;
    const path = join(places.kernelsDir, entry);
    const final = join(places.kernelsDir, name);
    if (scratch.kind === "drop" && !existsSync(final)) {
      renameSync(path, final);
      return false;
    }
    endBuild(path);
    removeContainer(path);
    rmSync(path, { recursive: true, force: true, maxRetries: 5 }); // what was killed may still be letting go of files
    return true;
  });
}

function entriesOf(places: KernelPlaces): string[] {
  return existsSync(places.kernelsDir) ? readdirSync(places.kernelsDir).sort() : [];
}
