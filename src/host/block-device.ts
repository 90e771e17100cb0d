import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
} from "node:fs";
import { basename } from "node:path";
import { errnoCode } from "../errors/ember-error.ts";
import { run } from "./run.ts";

/** How the kernel calls the block device of that number ("8:16" is "sdb"). */
export function kernelName(number: string): string | undefined {
  try {
    return basename(realpathSync(`/sys/dev/block/${number}`));
  } catch {
    return undefined; // no such device, or not any more
  }
}

/** How the kernel calls the block device at `path`; undefined when that is none. */
export function kernelNameOf(path: string): string | undefined {
  const facts = statSync(path, { throwIfNoEntry: false, bigint: true });
  if (facts?.isBlockDevice() !== true) return undefined;
  const major = ((facts.rdev >> 8n) & 0xfffn) | ((facts.rdev >> 32n) & 0xfffff000n);
  const minor = (facts.rdev & 0xffn) | ((facts.rdev >> 12n) & 0xffffff00n);
  return kernelName(`${major}:${minor}`);
}

/** 0 for a device that has lost what is below it. */
export function deviceBytes(name: string): number {
  return 512 * Number(readFileSync(`/sys/class/block/${name}/size`, "utf8"));
}

/** What keeps a device from being taken as a whole, in words; undefined when nothing does. */
export async function whyNotFree(path: string, name: string): Promise<string | undefined> {
  const folder = `/sys/class/block/${name}`;
  const partitions = readdirSync(folder).filter((entry) => existsSync(`${folder}/${entry}/partition`));
  if (partitions.length > 0) return `it has partitions (${partitions.join(", ")})`;
  const holders = existsSync(`${folder}/holders`) ? readdirSync(`${folder}/holders`) : [];
  if (holders.length > 0) return `'${holders.join("', '")}' lies on it`;
  if (isHeld(path)) return "it is in use (mounted, or swap)";
  const signatures = await signaturesOf(path);
  return signatures.length === 0 ? undefined : `it holds data already (${signatures.join(", ")})`;
}

/** The kernel gives a device out for exclusive use only while nothing is mounted from it or lies on it. */
function isHeld(path: string): boolean {
  try {
    closeSync(openSync(path, constants.O_RDWR | constants.O_EXCL));
    return false;
  } catch (error) {
    if (errnoCode(error) === "EBUSY") return true;
    throw error;
  }
}

/** Types of the file systems, partition tables and the like that a device carries. */
async function signaturesOf(path: string): Promise<string[]> {
  const { stdout } = await run("wipefs", ["--no-act", "--noheadings", "--output", "TYPE", "--", path]);
  return [...new Set(stdout.split("\n").map((line) => line.trim()))].filter((type) => type !== "");
}

/** Removes the signatures that `whyNotFree` finds. Idempotent. */
export async function wipeSignatures(path: string): Promise<void> {
  await run("wipefs", ["--all", "--quiet", "--", path]);
}
