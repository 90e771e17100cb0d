import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { extraToolFolders, installHint } from "#platform";
import { EmberError } from "../errors/ember-error.ts";

let searchPath: string | undefined;
const found = new Map<string, string>();

/** Sets the PATH that tools are looked for in; the CLI hands its environment's in. Default: the usual folders only. */
export function setToolSearchPath(path: string | undefined): void {
  searchPath = path;
  found.clear();
}

/** PATH for child processes: the caller's, completed by the folders where system tools live. */
export function toolSearchPath(): string {
  return [...(searchPath ?? "").split(delimiter), ...extraToolFolders]
    .filter((folder) => folder !== "")
    .join(delimiter);
}

/** Absolute path of a program, undefined when it is not installed. Each name is looked up once per process. */
export function lookUpTool(name: string): string | undefined {
  const known = found.get(name);
  if (known !== undefined) return known;
  for (const folder of toolSearchPath().split(delimiter)) {
    const candidate = join(folder, name);
    try {
      accessSync(candidate, constants.X_OK);
      found.set(name, candidate);
      return candidate;
    } catch {
      // not in this folder
    }
  }
  return undefined;
}

/** Absolute path of a program. Throws `tool-missing` with the command that installs it on this platform. */
export function findTool(name: string): string {
  const path = lookUpTool(name);
  if (path === undefined) {
    throw new EmberError("tool-missing", `'${name}' is not installed`, { hint: installHint(name) });
  }
  return path;
}
