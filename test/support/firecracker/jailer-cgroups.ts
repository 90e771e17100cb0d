import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { attempt, JailerError } from "./jailer-error.ts";
import type { JailerSettings } from "./jailer-settings.ts";

interface Mount {
  readonly folder: string;
  readonly options: readonly string[];
}

/** Where cgroups of a version are mounted. Throws when none is. */
function cgroupMounts(version: number): Mount[] {
  const type = version === 2 ? "cgroup2" : "cgroup";
  const mounts = readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .filter((fields) => fields[2] === type && (version === 1 || version === 2))
    .map((fields): Mount => ({ folder: fields[1] ?? "", options: (fields[3] ?? "").split(",") }));
  if (mounts.length > 0) return mounts;
  const why = "No hierarchy found for this cgroup version.";
  throw new JailerError(`Hierarchy not found: ${why}`, `CgroupHierarchyMissing(${JSON.stringify(why)})`);
}

/** With version 2 and no limits, the process moves to the parent cgroup, if that is there. */
export function joinParent(settings: JailerSettings, pid: number): void {
  if (settings.cgroupVersion !== 2 || settings.cgroups.length > 0) return;
  const parent = join(cgroupMounts(2)[0]?.folder ?? "", settings.parentCgroup);
  if (!existsSync(parent)) return;
  const hint = `Hint: If you intended to create a child cgroup under ${parent}, pass any --cgroup parameters.`;
  attempt(
    () => writeFileSync(join(parent, "cgroup.procs"), `${pid}`),
    "CgroupMove",
    parent,
    (why) => `Failed to move process to cgroup (${parent}): ${why}.\n${hint}`,
  );
}

/** Checks that the controllers of all limits are there; gives each one's cgroup. */
export function cgroupsOf(settings: JailerSettings): string[] {
  const { cgroups, cgroupVersion: version, parentCgroup, id } = settings;
  if (cgroups.length === 0) return [];
  const mounts = cgroupMounts(version);
  return cgroups.map(([file]) => {
    const controller = file.split(".")[0] ?? file;
    const mount = version === 2 ? mounts[0] : mounts.find(({ options }) => options.includes(controller));
    const known = mount !== undefined && (version === 1 || controllersOf(mount.folder).includes(controller));
    if (known) return join(mount.folder, parentCgroup, id);
    throw new JailerError(
      `Controller ${controller} is unavailable`,
      `CgroupControllerUnavailable(${JSON.stringify(controller)})`,
    );
  });
}

function controllersOf(folder: string): string[] {
  try {
    return readFileSync(join(folder, "cgroup.controllers"), "utf8").trim().split(" ");
  } catch {
    return []; // as the jailer: then there is none
  }
}

/** Makes the cgroups, sets the limits and moves the process there. */
export function applyLimits(settings: JailerSettings, folders: readonly string[], pid: number): void {
  for (const folder of folders) mkdirSync(folder, { recursive: true });
  for (const [index, [file, value]] of settings.cgroups.entries()) {
    const folder = folders[index] ?? "";
    if (settings.cgroupVersion === 2) enableController(dirname(folder), file.split(".")[0] ?? file);
    else inherit(folder, file);
    write(join(folder, file), value);
  }
  const members = settings.cgroupVersion === 2 ? "cgroup.procs" : "tasks";
  for (const folder of new Set(folders)) write(join(folder, members), `${pid}`);
}

/** Version 1: a new cgroup begins with its parent's value, and some of them with none at all. */
function inherit(folder: string, file: string): void {
  const from = join(dirname(folder), file);
  const value = attempt(
    () => readFileSync(from, "utf8").trimEnd(),
    "ReadToString",
    from,
    (why) => `Failed to read file ${from} into a string: ${why}`,
  );
  write(join(folder, file), value);
}

/** Version 2: from the top down, every cgroup on the way hands the controller to its children. */
function enableController(folder: string, controller: string): void {
  const control = join(folder, "cgroup.subtree_control");
  if (!existsSync(control)) return;
  enableController(dirname(folder), controller);
  write(control, `+${controller}`);
}

function write(path: string, value: string): void {
  attempt(
    () => writeFileSync(path, `${value}\n`, { flag: "r+" }),
    "Write",
    path,
    (why) => `Failed to write to ${path}: ${why}`,
  );
}
