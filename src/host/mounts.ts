import { readFileSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { kernelName, kernelNameOf } from "./block-device.ts";

export interface Mount {
  /** The block device below, as the kernel calls it ("loop0"); undefined when there is none, or it is gone. */
  readonly device: string | undefined;
  /** Mounted so, or made so by the kernel after an error. */
  readonly readOnly: boolean;
}

/**
 * What is mounted at `folder` itself, undefined when nothing is. Does not touch the folder: a file system that has shut
 * itself down answers every question with an error.
 */
export function mountedAt(folder: string): Mount | undefined {
  const point = join(realpathSync(dirname(folder)), basename(folder));
  return parseMounts(readFileSync("/proc/self/mountinfo", "utf8"), point);
}

/** proc_pid_mountinfo(5): id, parent, major:minor, root, mount point, options, ..., "-", type, source, options. */
export function parseMounts(table: string, point: string): Mount | undefined {
  let found: Mount | undefined;
  for (const line of table.split("\n")) {
    const fields = line.split(" ");
    if (fields[4] === undefined || unescapeOctal(fields[4]) !== point) continue;
    const rest = fields.indexOf("-", 6);
    const number = fields[2] ?? "";
    // btrfs shows a number of its own, and the device only as the source.
    const device = number.startsWith("0:")
      ? kernelNameOf(unescapeOctal(fields[rest + 2] ?? ""))
      : kernelName(number);
    const readOnly = [fields[5], fields[rest + 3]].some((options) => options?.split(",").includes("ro"));
    found = { device, readOnly }; // the last one is on top
  }
  return found;
}

/**
 * "major:minor" by which the kernel knows the file system that `path` (without symlinks) lies on; not what stat(2)
 * says, where each part of a btrfs has a number of its own. Undefined: not known here.
 */
export function fileSystemNumber(path: string): string | undefined {
  return parseNumber(readFileSync("/proc/self/mountinfo", "utf8"), path);
}

/** How the file system is mounted that `path` (without symlinks) lies on: "rw", "nodev", ... */
export function mountOptions(path: string): readonly string[] {
  return (mountOf(readFileSync("/proc/self/mountinfo", "utf8"), path)?.[5] ?? "").split(",");
}

export function parseNumber(table: string, path: string): string | undefined {
  return mountOf(table, path)?.[2];
}

/** Fields of the mount that `path` lies on. */
function mountOf(table: string, path: string): readonly string[] | undefined {
  let longest = -1;
  let found: readonly string[] | undefined;
  for (const line of table.split("\n")) {
    const fields = line.split(" ");
    const point = unescapeOctal(fields[4] ?? "");
    const holds = point === "/" || path === point || path.startsWith(`${point}/`);
    if (point === "" || !holds || point.length < longest) continue;
    longest = point.length; // of two at one place, the last one is on top
    found = fields;
  }
  return found;
}

/** The kernel writes space, tab, newline and backslash as three octal digits, and other bytes as they are. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
