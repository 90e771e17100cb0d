import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parseDocument } from "yaml";
import { EmberError, errnoCode } from "../../errors/ember-error.ts";
import type { Context } from "../context.ts";
import { absolutePath, type Folders, pathOrName } from "../parser/path-or-name.ts";
import type { SecretOrigin } from "../parser/secret.ts";
import { checkSettings, type FileKind } from "./schema.ts";
import type { VmSettings } from "./vm-settings.ts";

const maximumBytes = 1024 * 1024;

/** A file given with --vm-config. Throws `file-not-found`, `invalid-config`. */
export async function readVmFile(path: string, context: Context): Promise<VmSettings> {
  const settings = await readSettings(absolutePath(path, context), "vm", context);
  if (settings !== undefined) return settings;
  throw new EmberError("file-not-found", `'${path}' is not there`, {
    hint: "give --vm-config the path of a YAML file",
  });
}

/** `config.yaml` in the state folder: what every new VM starts from; empty when there is none. Throws `invalid-config`. */
export async function readGlobalConfig(stateDir: string, context: Context): Promise<VmSettings> {
  return (await readSettings(join(stateDir, "config.yaml"), "global", context)) ?? {};
}

/** Paths in the file are relative to its folder. Undefined when there is no such file. */
async function readSettings(path: string, kind: FileKind, context: Context): Promise<VmSettings | undefined> {
  const text = await read(path);
  if (text === undefined) return undefined;
  const checked = checkSettings(parse(text, path), kind);
  if ("problem" in checked) {
    const options = checked.hint === undefined ? {} : { hint: checked.hint };
    throw new EmberError("invalid-config", `${path}: ${checked.problem}`, options);
  }
  const folders = { cwd: dirname(path), homeFolder: context.homeFolder };
  const { kernel, sshKey, userDataFile, secrets, ...settings } = checked.settings;
  return {
    ...settings,
    kernel: pathOrName(kernel, folders),
    secrets: secrets?.map((secret) => ({ ...secret, from: absoluteOrigin(secret.from, folders) })),
    sshKey: sshKey === undefined ? undefined : absolutePath(sshKey, folders),
    userDataFile: userDataFile === undefined ? undefined : absolutePath(userDataFile, folders),
  };
}

function absoluteOrigin(from: SecretOrigin, folders: Folders): SecretOrigin {
  return from.kind === "file" ? { kind: "file", path: absolutePath(from.path, folders) } : from;
}

async function read(path: string): Promise<string | undefined> {
  try {
    const status = await stat(path);
    if (!status.isFile() || status.size > maximumBytes) {
      throw new EmberError("invalid-config", `${path}: not a file of at most 1M`);
    }
    return await readFile(path, "utf8");
  } catch (error) {
    const code = errnoCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

/** YAML as plain values; an empty file is an empty mapping. Throws `invalid-config` with the place of the fault. */
function parse(text: string, path: string): unknown {
  const document = parseDocument(text, { prettyErrors: true, stringKeys: true });
  const [fault] = document.errors;
  if (fault !== undefined) {
    const place = fault.linePos?.[0];
    const where = place === undefined ? "" : ` line ${place.line}, column ${place.col}:`;
    const [reason = ""] = fault.message.split(/ at line |\n/);
    throw new EmberError("invalid-config", `${path}:${where} ${reason}`, { cause: fault });
  }
  try {
    return document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (error) {
    throw new EmberError("invalid-config", `${path}: it refers to itself too often`, { cause: error });
  }
}
