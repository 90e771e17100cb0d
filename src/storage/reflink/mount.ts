import { existsSync, lstatSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { mountedAt } from "../../host/mounts.ts";
import { run } from "../../host/run.ts";
import { findTool } from "../../host/tools.ts";
import { scratchBeside, sweepBeside } from "../scratch.ts";
import type { FileSystem } from "./file-systems.ts";
import type { Medium } from "./medium.ts";

/** Whether the medium is what is mounted at `folder`: "no" when nothing is mounted there, "other" for something else. */
export function mountState(folder: string, medium: Medium): "ours" | "other" | "no" {
  if (!existsSync(dirname(folder))) return "no";
  const mounted = mountedAt(folder);
  if (mounted === undefined) return "no";
  return mounted.device !== undefined && medium.isBelow(mounted.device) ? "ours" : "other";
}

/**
 * Runs mount or umount while holding a lock of the kernel on the folder that holds the mount point: two commands at once
 * do not get in each other's way, and the lock goes with its process however that ends.
 */
async function runLocked(folder: string, tool: string, args: readonly string[]): Promise<void> {
  const lock = ["--no-fork", "--exclusive", "--timeout", "60", dirname(folder)];
  // recovering a large log takes a while
  await run("flock", [...lock, findTool(tool), ...args], { timeoutMs: 180_000 });
}

/**
 * Mounts the file system on the medium at `folder`. Post-condition: it is mounted there once; a loop device that this
 * took goes away with the mount. Idempotent, also when two commands do it at once.
 */
export async function mountMedium(medium: Medium, kind: FileSystem, folder: string): Promise<void> {
  const options = medium.isDevice ? kind.mountOptions : `loop,${kind.mountOptions}`;
  try {
    await runLocked(folder, "mount", ["-t", kind.name, "-o", options, "--", medium.path, folder]);
  } catch (error) {
    if (mountState(folder, medium) !== "ours") throw error;
    return; // another command was faster
  }
  await medium.settle();
}

/**
 * Post-condition: the medium is not mounted at `folder` in any mount namespace, and nothing of it is held open. Idempotent.
 * Throws `busy` when something still uses it.
 */
export async function unmountMedium(medium: Medium, folder: string): Promise<void> {
  if (mountState(folder, medium) === "ours") {
    try {
      await runLocked(folder, "umount", ["--", folder]);
    } catch (error) {
      if (mountState(folder, medium) === "ours") {
        throw new EmberError("busy", `the storage at '${folder}' is in use`, {
          hint: `stop the VMs, leave the folder in every terminal, then try again ('fuser -vm ${folder}' tells who uses it)`,
          cause: error,
        });
      }
    }
  }
  unmountElsewhere(folder);
  await medium.release();
}

/**
 * A mount namespace that was made while the storage was mounted, as a container's, has a mount of its own, which holds the
 * medium and goes when the folder does (mount_namespaces(7), Linux 3.18). A new one takes its place in one step: another
 * command may be about to mount there. Where that cannot be, whoever is held up by it says so.
 */
function unmountElsewhere(folder: string): void {
  const facts = lstatSync(folder, { throwIfNoEntry: false });
  if (facts === undefined || facts.uid !== process.getuid?.()) return;
  const fresh = scratchBeside(folder);
  try {
    sweepBeside(folder);
    mkdirSync(fresh, { mode: facts.mode & 0o777 });
    renameSync(fresh, folder);
  } catch {
    rmSync(fresh, { recursive: true, force: true });
  }
}
