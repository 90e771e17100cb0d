import { readdirSync, readFileSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { EmberError } from "../errors/ember-error.ts";
import { run } from "./run.ts";

/** The file below a block device by its kernel's name, undefined when it is no loop device or has none. */
export function fileOfLoop(name: string): string | undefined {
  try {
    return readFileSync(`/sys/block/${name}/loop/backing_file`, "utf8").replace(/\n$/, "");
  } catch {
    return undefined;
  }
}

/** Whether `name` is a loop device on that very file (by inode: a file that was replaced is another). */
export function isLoopOf(name: string, file: string): boolean {
  const below = fileOfLoop(name);
  if (below === undefined) return false;
  const [a, b] = [below, file].map((path) => statSync(path, { throwIfNoEntry: false, bigint: true }));
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}

/** Loop devices that have `file` open. */
export function loopsOf(file: string): string[] {
  return readdirSync("/sys/block")
    .filter((name) => name.startsWith("loop") && isLoopOf(name, file))
    .map((name) => `/dev/${name}`);
}

/** A loop device on `file`, the one that there is or a new one. */
export async function attachLoop(file: string): Promise<string> {
  const [known] = loopsOf(file);
  if (known !== undefined) return known;
  const { stdout } = await run("losetup", ["--find", "--show", "--", file]);
  const device = stdout.trim();
  // Without the page cache below, every block is held in memory once. Not every file system below can do it.
  await run("losetup", ["--direct-io=on", device], { okStatuses: [0, 1] });
  return device;
}

/** Makes the loop devices on a file that was made larger show its new size. */
export async function growLoops(file: string): Promise<void> {
  for (const device of loopsOf(file)) await run("losetup", ["--set-capacity", device]);
}

/** Loop devices that still hold a file of that name, though it may be deleted. */
function holdersOf(file: string): string[] {
  const deleted = readdirSync("/sys/block").filter((name) => fileOfLoop(name) === `${file} (deleted)`);
  return [...loopsOf(file), ...deleted.map((name) => `/dev/${name}`)];
}

/** Post-condition: no loop device has `file` open. Idempotent. Throws `busy`. */
export async function detachLoops(file: string): Promise<void> {
  for (let attempts = 0; attempts < 50; attempts += 1) {
    const devices = holdersOf(file);
    if (devices.length === 0) return;
    await run("losetup", ["--detach", ...devices], { okStatuses: [0, 1] });
    if (holdersOf(file).length > 0) await sleep(100);
  }
  throw new EmberError("busy", `'${file}' is still attached to ${holdersOf(file).join(", ")}`, {
    hint: "a program, maybe of a container, has files of it open: end that, then try again",
  });
}
