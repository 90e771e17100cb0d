import { join, resolve } from "node:path";

export interface Folders {
  readonly cwd: string;
  readonly homeFolder: string;
}

/** `~/x` and relative paths as absolute ones; a slash at the end, which copying looks at, stays. */
export function absolutePath(path: string, folders: Folders): string {
  const home = path === "~" || path.startsWith("~/");
  const absolute = home ? join(folders.homeFolder, path.slice(1)) : resolve(folders.cwd, path);
  return path.endsWith("/") && !absolute.endsWith("/") ? `${absolute}/` : absolute;
}

/** A value that is a name or a path: it is a path when it has a slash. */
export function pathOrName(value: string, folders: Folders): string;
export function pathOrName(value: string | undefined, folders: Folders): string | undefined;
export function pathOrName(value: string | undefined, folders: Folders): string | undefined {
  return value?.includes("/") === true ? absolutePath(value, folders) : value;
}
