import { dirname, join } from "node:path";
import { errnoCode } from "../../errors/ember-error.ts";
import type { GroupFiles } from "./files.ts";

/** What the groups of an installation need, in the order in which people are told what is missing. */
export const wantedControllers = ["cpu", "memory", "pids"] as const;
export type Controller = (typeof wantedControllers)[number];

/** The group below which an installation's groups are made. */
export type Place =
  | {
      readonly folder: string;
      readonly controllers: readonly Controller[];
      readonly missing: readonly Controller[];
    }
  | { readonly folder: undefined; readonly reason: string };

export interface PlaceQuestion {
  readonly files: GroupFiles;
  /** The root of the hierarchy is root's; others have what was delegated to them. */
  readonly isRoot: boolean;
}

/**
 * Where groups can be made: for root at the top of the hierarchy, for others in the topmost group above this process that
 * is theirs (a user's systemd delegates "user@1000.service" to them). Only reads.
 */
export function findPlace({ files, isRoot }: PlaceQuestion): Place {
  try {
    const mount = findCgroup2(files.read("/proc/self/mountinfo"));
    if (mount === undefined) return none("cgroup v2 is not mounted");
    if (mount.readOnly) return none(`cgroup v2 is mounted read-only at '${mount.point}'`);
    const own = ownGroup(files.read("/proc/self/cgroup"), mount.root);
    const candidates = isRoot ? [mount.point] : own === undefined ? [] : ancestors(mount.point, own);
    const folder = candidates.find((path) => isOurs(files, path));
    if (folder === undefined) return none(`no group below '${mount.point}' is this user's to change`);
    return look(files, folder);
  } catch (error) {
    return none(`control groups cannot be read (${errnoCode(error) ?? String(error)})`);
  }
}

const none = (reason: string): Place => ({ folder: undefined, reason });

function look(files: GroupFiles, folder: string): Place {
  const there = words(files.read(join(folder, "cgroup.controllers")));
  const enabled = words(files.read(join(folder, "cgroup.subtree_control")));
  const controllers = wantedControllers.filter((name) => there.includes(name));
  const missing = wantedControllers.filter((name) => !there.includes(name));
  if (controllers.length === 0) {
    return none(`cgroup v2 at '${folder}' has no controllers (they may be in use by cgroup v1)`);
  }
  const switchedOn = controllers.every((name) => enabled.includes(name));
  if (!switchedOn && holdsProcesses(files, folder)) {
    return none(`the group '${folder}' holds processes itself, so it cannot be divided`);
  }
  return { folder, controllers, missing };
}

/** The root of the hierarchy alone may hold processes and have controllers enabled for its groups (cgroup-v2.rst). */
function holdsProcesses(files: GroupFiles, folder: string): boolean {
  try {
    files.read(join(folder, "cgroup.type"));
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return false; // the real root has no type
    throw error;
  }
  return files.read(join(folder, "cgroup.procs")).trim() !== "";
}

/** What cgroup-v2.rst says a group must have to be delegated. */
const isOurs = (files: GroupFiles, path: string): boolean =>
  [path, join(path, "cgroup.procs"), join(path, "cgroup.subtree_control")].every(files.isWritable);

/** `point` itself first, then down to the group `own`. */
function ancestors(point: string, own: string): string[] {
  const found: string[] = [];
  for (let path = own; path !== "/"; path = dirname(path)) found.unshift(join(point, path));
  return [point, ...found];
}

/** The group of this process, seen from the mount; undefined when it lies outside. A line of v2 begins with "0::". */
function ownGroup(table: string, root: string): string | undefined {
  const path = /^0::(\/.*)$/m.exec(table)?.[1];
  if (path === undefined || path.includes("..")) return undefined;
  if (root === "/") return path;
  if (path === root) return "/";
  return path.startsWith(`${root}/`) ? path.slice(root.length) : undefined;
}

/** proc_pid_mountinfo(5): id, parent, major:minor, root, mount point, options, ..., "-", type, source, options. */
export function findCgroup2(
  table: string,
): { readonly point: string; readonly root: string; readonly readOnly: boolean } | undefined {
  for (const line of table.split("\n")) {
    const fields = line.split(" ");
    const type = fields[fields.indexOf("-", 6) + 1];
    const [root, point, options] = [fields[3], fields[4], fields[5]];
    if (type !== "cgroup2" || root === undefined || point === undefined) continue;
    return { point, root, readOnly: options?.split(",").includes("ro") === true };
  }
  return undefined;
}

export const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "");
