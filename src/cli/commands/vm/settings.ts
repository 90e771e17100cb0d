import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { EmberError, errnoCode } from "../../../errors/ember-error.ts";
import type { SecretOptions } from "../../../types.ts";
import { mergeSettings, type VmSettings } from "../../config/vm-settings.ts";
import type { Context } from "../../context.ts";
import type { Session } from "../../session.ts";

/** The global configuration, under the file if one was given. Throws `invalid-config`, `file-not-found`. */
export async function settingsFromFiles(session: Session, vmConfig: string | undefined): Promise<VmSettings> {
  const stateDir = await session.stateDir();
  // Most installations have neither file, and then the YAML reader is not loaded.
  if (vmConfig === undefined && !existsSync(join(stateDir, "config.yaml"))) return {};
  const { readGlobalConfig, readVmFile } = await import("../../config/read.ts");
  const global = await readGlobalConfig(stateDir, session.context);
  return mergeSettings(global, vmConfig === undefined ? {} : await readVmFile(vmConfig, session.context));
}

/** The option with the secrets' values, read now; none when there are no secrets. Throws as `readSecretValues` does. */
export async function secretsOf(
  settings: Pick<VmSettings, "secrets">,
  context: Context,
): Promise<{ secrets?: readonly SecretOptions[] }> {
  if (settings.secrets === undefined) return {};
  const { readSecretValues } = await import("../../config/secret-values.ts");
  return { secrets: await readSecretValues(settings.secrets, context) };
}

/** The option that lets the key of `ssh.key` in, when there is one. Throws `file-not-found`, `invalid-config`. */
export async function authorizedKeysOf(
  settings: VmSettings,
): Promise<{ authorizedKeys?: readonly string[] }> {
  if (settings.sshKey === undefined) return {};
  const { publicKeyOf } = await import("../../config/public-key.ts");
  return { authorizedKeys: [await publicKeyOf(settings.sshKey)] };
}

/** The option that gives the image's cloud-init a file, when one was named. Throws `file-not-found`. */
export async function userDataOf({ userDataFile }: VmSettings): Promise<{ userData?: string }> {
  if (userDataFile === undefined) return {};
  try {
    return { userData: await readFile(userDataFile, "utf8") };
  } catch (error) {
    if (errnoCode(error) !== "ENOENT" && errnoCode(error) !== "ENOTDIR") throw error;
    throw new EmberError("file-not-found", `there is no user-data '${userDataFile}'`, { cause: error });
  }
}
