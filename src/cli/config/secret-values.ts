import { readFile, stat } from "node:fs/promises";
import { EmberError, errnoCode } from "../../errors/ember-error.ts";
import type { SecretOptions } from "../../types.ts";
import type { Context } from "../context.ts";
import { absolutePath } from "../parser/path-or-name.ts";
import type { SecretFlag, SecretHostFlag, SecretOrigin } from "../parser/secret.ts";

/** A secret as flags or a file describe it; its value is read when the command needs it. */
export interface SecretSource {
  readonly name: string;
  readonly from: SecretOrigin;
  readonly hosts: readonly string[];
}

const mostBytes = 64 * 1024;

/** The secrets that flags describe: a host without a name is for all of them. Undefined when there are none. Throws `usage`. */
export function secretSources(
  secrets: readonly SecretFlag[],
  hosts: readonly SecretHostFlag[],
  context: Context,
): readonly SecretSource[] | undefined {
  const stray = hosts.find(({ name }) =>
    secrets.every((secret) => name !== undefined && secret.name !== name),
  );
  if (stray !== undefined) {
    throw new EmberError("usage", `--secret-host '${stray.host}' is for no secret of this command`, {
      hint: `give the secret as well: --secret ${stray.name ?? "NAME"}=@FILE or env:VARIABLE`,
    });
  }
  if (secrets.length === 0) return undefined;
  return secrets.map(({ name, from }) => {
    const own = hosts.filter((host) => host.name === undefined || host.name === name).map(({ host }) => host);
    if (own.length > 0) return { name, from: absolute(from, context), hosts: own };
    throw new EmberError("usage", `--secret ${name} does not say who may get it`, {
      hint: `add --secret-host HOST for all secrets, or --secret-host ${name}=HOST for this one`,
    });
  });
}

function absolute(from: SecretOrigin, context: Context): SecretOrigin {
  return from.kind === "file" ? { kind: "file", path: absolutePath(from.path, context) } : from;
}

/** Reads the values, now. A line's end at a file's end is not part of it. Throws `file-not-found`, `usage`, `permission-denied`. */
export async function readSecretValues(
  sources: readonly SecretSource[],
  context: Context,
): Promise<readonly SecretOptions[]> {
  return await Promise.all(
    sources.map(async ({ name, from, hosts }) => ({
      name,
      hosts,
      value: await secretValue(name, from, context),
    })),
  );
}

async function secretValue(name: string, from: SecretOrigin, context: Context): Promise<string> {
  if (from.kind === "file") return (await readSecretFile(name, from.path)).replace(/\r?\n$/, "");
  const value = context.environment[from.variable];
  if (value !== undefined && value !== "") return value;
  throw new EmberError(
    "usage",
    `the secret '${name}' is to come from the variable '${from.variable}', which is not set`,
    {
      hint: `export it first, or read a file: --secret ${name}=@FILE`,
    },
  );
}

async function readSecretFile(name: string, path: string): Promise<string> {
  try {
    const facts = await stat(path);
    if (facts.isDirectory() || facts.size > mostBytes) {
      throw new EmberError(
        "usage",
        `'${path}' cannot be the secret '${name}': it is no file of at most ${mostBytes} bytes`,
      );
    }
    return await readFile(path, "utf8");
  } catch (error) {
    if (errnoCode(error) !== "ENOENT" && errnoCode(error) !== "ENOTDIR") throw error;
    throw new EmberError("file-not-found", `the file '${path}' for the secret '${name}' is not there`, {
      hint: "write it first, so that only you can read it",
      cause: error,
    });
  }
}
