import { realpathSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { type Arguments, parseArguments } from "./command-line.ts";
import { attempt, JailerError } from "./jailer-error.ts";

export interface JailerSettings {
  readonly id: string;
  readonly execFile: string;
  readonly execName: string;
  readonly chroot: string;
  readonly uid: number;
  readonly gid: number;
  readonly netns: string | undefined;
  readonly daemonize: boolean;
  readonly newPidNamespace: boolean;
  readonly cgroupVersion: number;
  readonly parentCgroup: string;
  /** "cpu.max" and its value. */
  readonly cgroups: readonly (readonly [file: string, value: string])[];
  readonly fileSize: number | undefined;
  readonly openFiles: number;
  /** For Firecracker. */
  readonly extra: readonly string[];
}

const value = { kind: "value" } as const;
const required = { kind: "value", required: true } as const;

/** Reads the command line. Throws `ArgumentError`. */
export function readJailerArguments(argv: readonly string[]): Arguments {
  return parseArguments(argv, {
    id: required,
    "exec-file": required,
    uid: required,
    gid: required,
    "chroot-base-dir": value,
    netns: value,
    daemonize: { kind: "flag" },
    "new-pid-ns": { kind: "flag" },
    cgroup: { kind: "values" },
    "resource-limit": { kind: "values" },
    "cgroup-version": value,
    "parent-cgroup": value,
  });
}

/** Checks everything in the jailer's order. Throws `JailerError`. */
export function checkSettings(args: Arguments): JailerSettings {
  const one = (name: string, otherwise = ""): string => args.values.get(name)?.[0] ?? otherwise;
  const id = checkedId(one("id"));
  const execFile = checkedExecFile(one("exec-file"));
  const execName = basename(execFile);
  const chroot = join(checkedBase(one("chroot-base-dir", "/srv/jailer")), execName, id, "root");
  const uid = checkedNumber(one("uid"), "uid", "Uid");
  const gid = checkedNumber(one("gid"), "gid", "Gid");
  const parentCgroup = one("parent-cgroup", execName);
  if (!isPlainPath(parentCgroup)) {
    throw new JailerError(
      "Parent cgroup path is invalid. Path should not be absolute or contain '..' or '.'",
      "CgroupInvalidParentPath",
    );
  }
  const version = one("cgroup-version", "1");
  if (!/^\+?\d+$/.test(version) || Number(version) > 255) {
    throw new JailerError(
      `${version} is an invalid cgroup version specifier`,
      `CgroupInvalidVersion(${JSON.stringify(version)})`,
    );
  }
  const cgroups = (args.values.get("cgroup") ?? []).map(checkedCgroup);
  return {
    ...{ id, execFile, execName, chroot, uid, gid, parentCgroup, cgroups },
    cgroupVersion: Number(version),
    netns: args.values.get("netns")?.[0],
    daemonize: args.flags.has("daemonize"),
    newPidNamespace: args.flags.has("new-pid-ns"),
    ...checkedLimits(args.values.get("resource-limit") ?? []),
    extra: args.extra,
  };
}

function checkedId(id: string): string {
  const letters = [...id];
  if (id.length < 1 || id.length > 64) {
    throw new JailerError(
      `Invalid instance ID: Invalid len (${id.length});  the length must be between 1 and 64`,
      `InvalidInstanceId(InvalidLen(${id.length}, 1, 64))`,
    );
  }
  const wrong = letters.findIndex((letter) => !/[-\p{L}\p{N}]/u.test(letter));
  if (wrong === -1) return id;
  throw new JailerError(
    `Invalid instance ID: Invalid char (${letters[wrong]}) at position ${wrong}`,
    `InvalidInstanceId(InvalidChar('${letters[wrong]}', ${wrong}))`,
  );
}

function canonical(path: string): string {
  return attempt(
    () => realpathSync(path),
    "Canonicalize",
    path,
    (why) => `Failed to canonicalize path ${path}: ${why}`,
  );
}

function checkedExecFile(path: string): string {
  const real = canonical(path);
  if (statSync(real).isFile()) return real;
  throw new JailerError(`${real} is not a file`, `NotAFile(${JSON.stringify(real)})`);
}

function checkedBase(path: string): string {
  const real = canonical(path);
  if (statSync(real).isDirectory()) return real;
  throw new JailerError(`${real} is not a directory`, `NotADirectory(${JSON.stringify(real)})`);
}

function checkedNumber(text: string, what: string, name: string): number {
  if (/^\+?\d+$/.test(text) && Number(text) < 2 ** 32) return Number(text);
  throw new JailerError(`Invalid ${what}: ${text}`, `${name}(${JSON.stringify(text)})`);
}

/** As Rust's Path::components sees it: a dot in the middle is no component. */
const isPlainPath = (path: string): boolean =>
  !path.startsWith("/") && !path.startsWith("./") && path !== "." && !path.split("/").includes("..");

function checkedCgroup(text: string): readonly [string, string] {
  const [file = "", content, ...more] = text.split("=");
  if (content === undefined || content === "" || more.length > 0) {
    throw new JailerError(`Invalid format for cgroups: ${text}`, `CgroupFormat(${JSON.stringify(text)})`);
  }
  const named = file.includes(".") ? text : file;
  if (isPlainPath(file) && file.includes(".")) return [file, content];
  throw new JailerError(`Cgroup invalid file: ${named}`, `CgroupInvalidFile(${JSON.stringify(named)})`);
}

function checkedLimits(texts: readonly string[]): { fileSize: number | undefined; openFiles: number } {
  let fileSize: number | undefined;
  let openFiles = 2048;
  for (const text of texts) {
    const at = text.indexOf("=");
    if (at === -1) {
      throw new JailerError(
        `Invalid format for resources limits: ${text}`,
        `ResLimitFormat(${JSON.stringify(text)})`,
      );
    }
    const name = text.slice(0, at);
    const limit = text.slice(at + 1);
    if (!/^\+?\d+$/.test(limit)) throw wrongLimit(limit);
    if (name === "fsize") fileSize = Number(limit);
    else if (name === "no-file") openFiles = Number(limit);
    else
      throw new JailerError(
        `Invalid resource argument: ${name}`,
        `ResLimitArgument(${JSON.stringify(name)})`,
      );
  }
  return { fileSize, openFiles };
}

function wrongLimit(limit: string): JailerError {
  const why = limit === "" ? "cannot parse integer from empty string" : "invalid digit found in string";
  return new JailerError(
    `Invalid limit value for resource: ${limit}: ${why}`,
    `ResLimitValue(${JSON.stringify(limit)}, ${JSON.stringify(why)})`,
  );
}
