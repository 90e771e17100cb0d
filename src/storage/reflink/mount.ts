import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EmberError } from "../../errors/ember-error.ts";
import { run } from "../../host/run.ts";
import { findTool } from "../../host/tools.ts";

/**
 * What is mounted at `folder` itself, undefined when nothing is. `device` is "major:minor". Does not touch the folder:
 * a file system that has shut itself down answers every question with an error.
 */
function mountedAt(folder: string): { readonly device: string } | undefined {
  const point = join(realpathSync(dirname(folder)), basename(folder));
  let device: string | undefined;
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
    const fields = line.split(" "); // proc_pid_mountinfo(5): id, parent, major:minor, root, mount point, ...
    if (fields[4] !== undefined && unescapeOctal(fields[4]) === point) device = fields[2]; // the last one is on top
  }
  return device === undefined ? undefined : { device };
}

/** The kernel writes space, tab, newline and backslash as three octal digits, and other bytes as they are. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

function loopFile(sysfsFolder: string): string | undefined {
  try {
    return readFileSync(`${sysfsFolder}/loop/backing_file`, "utf8").replace(/\n$/, "");
  } catch {
    return undefined; // no loop device, or one without a file
  }
}

function sameFile(first: string, second: string): boolean {
  const [a, b] = [first, second].map((path) => statSync(path, { throwIfNoEntry: false, bigint: true }));
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}

/** Whether `file` is what is mounted at `folder`: "no" when nothing is mounted there, "other" for something else. */
export function mountState(folder: string, file: string): "ours" | "other" | "no" {
  if (!existsSync(dirname(folder))) return "no";
  const mounted = mountedAt(folder);
  if (mounted === undefined) return "no";
  const below = loopFile(`/sys/dev/block/${mounted.device}`);
  return below !== undefined && sameFile(below, file) ? "ours" : "other";
}

/** Loop devices that have `file` open. */
export function loopDevicesOf(file: string): string[] {
  return readdirSync("/sys/block")
    .filter((name) => name.startsWith("loop"))
    .filter((name) => {
      const below = loopFile(`/sys/block/${name}`);
      return below !== undefined && sameFile(below, file);
    })
    .map((name) => `/dev/${name}`);
}

/**
 * Runs mount or umount while holding a lock of the kernel on the folder that holds `file`: two commands at once do
 * not get in each other's way, and the lock goes with its process however that ends.
 */
async function runLocked(file: string, tool: string, args: readonly string[]): Promise<void> {
  await run(
    "flock",
    ["--no-fork", "--exclusive", "--timeout", "60", dirname(file), findTool(tool), ...args],
    {
      timeoutMs: 180_000, // recovering a large log takes a while
    },
  );
}

/**
 * Mounts the XFS in `file` at `folder`. Post-condition: it is mounted there once, through a loop device that goes
 * away with the mount. Idempotent, also when two commands do it at once.
 */
export async function mountFile(file: string, folder: string): Promise<void> {
  try {
    // discard: what ember deletes is punched out of the sparse file again.
    await runLocked(file, "mount", [
      "-t",
      "xfs",
      "-o",
      "loop,noatime,nodev,nosuid,noexec,discard",
      "--",
      file,
      folder,
    ]);
  } catch (error) {
    if (mountState(folder, file) !== "ours") throw error;
    return; // another command was faster
  }
  for (const device of loopDevicesOf(file)) {
    // Without the page cache below, every block is held in memory once. Not every file system below can do it.
    await run("losetup", ["--direct-io=on", device], { okStatuses: [0, 1] });
  }
}

/**
 * Post-condition: `file` is mounted nowhere at `folder`, and no loop device has it open. Idempotent.
 * Throws `busy` when something still uses it.
 */
export async function unmountFile(file: string, folder: string): Promise<void> {
  if (mountState(folder, file) === "ours") {
    try {
      await runLocked(file, "umount", ["--", folder]);
    } catch (error) {
      if (mountState(folder, file) === "ours") {
        throw new EmberError("busy", `the storage at '${folder}' is in use`, {
          hint: `stop the VMs, leave the folder in every terminal, then try again ('fuser -vm ${folder}' tells who uses it)`,
          cause: error,
        });
      }
    }
  }
  for (let attempts = 0; attempts < 50; attempts += 1) {
    const devices = loopDevicesOf(file); // the kernel lets go of them a little after the unmount
    if (devices.length === 0) return;
    if (attempts >= 10) await run("losetup", ["--detach", ...devices], { okStatuses: [0, 1] });
    await sleep(100);
  }
  throw new EmberError("busy", `'${file}' is still attached to ${loopDevicesOf(file).join(", ")}`, {
    hint: "detach it with 'losetup --detach', then try again",
  });
}
