import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { mountedAt } from "../../host/mounts.ts";
import { run } from "../../host/run.ts";
import { findTool } from "../../host/tools.ts";
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
 * Whoever was in another mount namespace while the storage was mounted (a container, `unshare --mount`) keeps a mount of
 * its own, and with it the medium. It goes when the folder goes (mount_namespaces(7), Linux 3.18).
 */
const unmountEverywhere = `umount -- "$1" || exit; if rmdir -- "$1"; then mkdir -m 700 -- "$1"; fi`;

/**
 * Post-condition: the medium is not mounted at `folder` in any mount namespace, and nothing of it is held open. Idempotent.
 * Throws `busy` when something still uses it.
 */
export async function unmountMedium(medium: Medium, folder: string): Promise<void> {
  if (mountState(folder, medium) === "ours") {
    try {
      await runLocked(folder, "sh", ["-c", unmountEverywhere, "umount", folder]);
    } catch (error) {
      if (mountState(folder, medium) === "ours") {
        throw new EmberError("busy", `the storage at '${folder}' is in use`, {
          hint: `stop the VMs, leave the folder in every terminal, then try again ('fuser -vm ${folder}' tells who uses it)`,
          cause: error,
        });
      }
    }
  }
  await medium.release();
}
