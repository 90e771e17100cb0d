import { accessSync, constants } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { extraToolFolders, installHint } from "#platform";
import { EmberError } from "../errors/ember-error.ts";

/** What host tools are given of the caller's environment; everything else stays out of them. */
const passedOn = [
  "HOME",
  "TMPDIR",
  "XDG_RUNTIME_DIR",
  "XDG_CONFIG_HOME",
  "DOCKER_CONFIG",
  "DOCKER_HOST",
  "CONTAINERS_REGISTRIES_CONF",
  "CONTAINERS_STORAGE_CONF",
  "REGISTRY_AUTH_FILE",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
] as const;

let callerEnvironment: Readonly<Record<string, string | undefined>> = {};
const found = new Map<string, string>();

/** Sets the environment that tools are found and run with; the CLI hands its own in. */
export function setToolEnvironment(environment: Readonly<Record<string, string | undefined>>): void {
  callerEnvironment = environment;
  found.clear();
}

/** Environment for a host tool: the few variables that tools need, a complete PATH, and untranslated messages. */
export function toolEnvironment(): Record<string, string> {
  const result: Record<string, string> = { PATH: toolSearchPath(), LC_ALL: "C" };
  for (const name of passedOn) {
    const value = callerEnvironment[name];
    if (value !== undefined) result[name] = value;
  }
  return result;
}

/** PATH for child processes: the caller's, completed by the folders where system tools live. */
export function toolSearchPath(): string {
  return [...(callerEnvironment["PATH"] ?? "").split(delimiter), ...extraToolFolders]
    .filter((folder) => folder !== "")
    .join(delimiter);
}

/** Absolute path of a program, by its name or by that path; undefined when it is not installed. Each name is looked up once per process. */
export function lookUpTool(name: string): string | undefined {
  const known = found.get(name);
  if (known !== undefined) return known;
  const candidates = isAbsolute(name)
    ? [name]
    : toolSearchPath()
        .split(delimiter)
        .map((folder) => join(folder, name));
  for (const candidate of candidates) {
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
