import { existsSync, linkSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { EmberError, errnoCode } from "../errors/ember-error.ts";
import { writeFileAtomic } from "../host/files.ts";
import { randomHex } from "../host/random.ts";
import type { Installation } from "../installation.ts";
import { makeAuthority } from "../network/authority.ts";
import type { NetworkAuthority, NetworkSecret } from "../network/policy.ts";
import { parseSecretHost } from "../policy/host-rule.ts";
import type { SecretOptions } from "../types.ts";

/** What a VM's `secrets.json` holds. Mode 0600 in the VM's folder, and nowhere else on disk. */
export interface StoredSecrets {
  /** The certificate is the one that the guest trusts. */
  readonly authority: NetworkAuthority;
  readonly secrets: readonly NetworkSecret[];
}

const mostSecrets = 32;
const mostHosts = 32;
/** Servers take header lines of 8 KiB, most of them. */
const mostBytes = 8192 - 256;

/**
 * The secrets that a VM is to have, with placeholders; undefined for none. One that `present` has by that name keeps its placeholder,
 * and the VM its authority, so that what the guest knows stays true. Throws `usage`.
 */
export function newSecrets(
  vmName: string,
  wanted: readonly SecretOptions[],
  present: StoredSecrets | undefined,
): StoredSecrets | undefined {
  if (wanted.length === 0) return undefined;
  if (wanted.length > mostSecrets) {
    throw wrong(
      `a VM has at most ${mostSecrets} secrets, not ${wanted.length}`,
      "give it those that it needs",
    );
  }
  const secrets = wanted.map((secret) => checkSecret(secret, present));
  const names = secrets.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw wrong(`the secret '${twice}' is given twice`, "give each name once");
  return { authority: present?.authority ?? makeAuthority(vmName), secrets };
}

/** The same for a fork, whose disk has the placeholders. Its authority is its own: no guest trusts another VM's. */
export function secretsOfFork(stored: StoredSecrets, vmName: string): StoredSecrets {
  return { ...stored, authority: makeAuthority(vmName) };
}

function checkSecret(
  { name, value, hosts }: SecretOptions,
  present: StoredSecrets | undefined,
): NetworkSecret {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name)) {
    throw wrong(
      "a secret's name cannot be a variable's",
      "use letters, digits and '_', not beginning with a digit",
    );
  }
  if (value === "" || Buffer.byteLength(value) > mostBytes) {
    throw wrong(
      `the secret '${name}' has ${Buffer.byteLength(value)} bytes`,
      `a secret goes into one line of a request's head: 1 to ${mostBytes} bytes`,
    );
  }
  if (/\p{Cc}/u.test(value)) {
    throw wrong(
      `the secret '${name}' holds control characters, such as a line's end`,
      "a secret goes into one line of a request's head: give a token or a password",
    );
  }
  if (hosts.length === 0 || hosts.length > mostHosts) {
    throw wrong(
      hosts.length === 0
        ? `the secret '${name}' is for no host`
        : `the secret '${name}' is for ${hosts.length} hosts`,
      hosts.length === 0
        ? "say who may get it: --secret-host api.github.com"
        : `name at most ${mostHosts}, or '*.SUFFIX'`,
    );
  }
  const placeholder =
    present?.secrets.find((secret) => secret.name === name)?.placeholder ?? newPlaceholder();
  return {
    name,
    placeholder,
    value,
    hosts: [...new Set(hosts.map((host) => parseSecretHost(host, "--secret-host")))],
  };
}

/** As long as the tokens of most services, of letters that need no quoting anywhere. */
function newPlaceholder(): string {
  return `ember-placeholder-${randomHex(16)}`;
}

function wrong(message: string, hint: string): EmberError {
  return new EmberError("usage", message, { hint });
}

function pathOf(installation: Installation, vmId: string): string {
  return join(installation.paths.vmFolder(vmId), "secrets.json");
}

/** Undefined when the VM has none. Throws `io-failed` when the file is not as `writeSecrets` wrote it. */
export function readSecrets(installation: Installation, vmId: string): StoredSecrets | undefined {
  const path = pathOf(installation, vmId);
  let content: string;
  try {
    content = readFileSync(path, "utf8");
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
  const stored = parseStored(content);
  if (stored !== undefined) return stored;
  throw new EmberError("io-failed", `'${path}' does not hold a VM's secrets`, {
    hint: "it was changed from outside: give the VM its secrets anew with 'ember vm update --secret'",
  });
}

function parseStored(content: string): StoredSecrets | undefined {
  try {
    const { authority, secrets } = JSON.parse(content);
    const { certificate, key } = authority;
    const texts = [
      certificate,
      key,
      ...secrets.flatMap((secret: NetworkSecret) => [
        secret.name,
        secret.placeholder,
        secret.value,
        ...secret.hosts,
      ]),
    ];
    return texts.every((text) => typeof text === "string")
      ? { authority: { certificate, key }, secrets }
      : undefined;
  } catch {
    return undefined; // no JSON, or of another shape
  }
}

/** Post-condition: the VM has exactly these; only the owner can read them. What there was is kept until `settleSecrets`. */
export function replaceSecrets(
  installation: Installation,
  vmId: string,
  secrets: StoredSecrets | undefined,
): void {
  const path = pathOf(installation, vmId);
  const before = `${path}.before`;
  // A name that is there already is of a change that was cut short: what it holds is older than that.
  if (existsSync(path) && !existsSync(before)) linkSync(path, before);
  if (secrets === undefined) rmSync(path, { force: true });
  else writeFileAtomic(path, `${JSON.stringify(secrets)}\n`);
}

/** Post-condition: the VM has the secrets that it had before `replaceSecrets`; `had` says whether there were any. */
export function restoreSecrets(installation: Installation, vmId: string, had: boolean): void {
  const path = pathOf(installation, vmId);
  const before = `${path}.before`;
  if (existsSync(before)) renameSync(before, path);
  else if (!had) rmSync(path, { force: true });
}

/** Post-condition: nothing is left of secrets that were replaced. */
export function settleSecrets(installation: Installation, vmId: string): void {
  rmSync(`${pathOf(installation, vmId)}.before`, { force: true });
}

/** The variables that the guest gets in place of the values. */
export function placeholdersOf(stored: StoredSecrets | undefined): Readonly<Record<string, string>> {
  return Object.fromEntries((stored?.secrets ?? []).map(({ name, placeholder }) => [name, placeholder]));
}
