import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { CopyOptions, Forwarding } from "../api.ts";
import type { AgentChannel } from "../guest/channel.ts";
import { writeFileAtomic } from "../host/files.ts";
import type { Installation } from "../installation.ts";
import { getVm, listVms } from "../state/vms.ts";
import type { ExecOptions, ExecResult, TaskOptions } from "../types.ts";
import { agentTarget, clientKeyPath, withAgent } from "./agent.ts";
import { reaching } from "./revival.ts";

/** What goes through the channel to a running VM's agent. Nothing here changes the installation, so nothing is locked. */

export async function execIn(
  installation: Installation,
  name: string,
  command: readonly string[],
  options: ExecOptions = {},
): Promise<ExecResult> {
  const { execInGuest } = await import("../guest/exec.ts");
  const complete = await withPlaceholders(installation, name, options);
  return await session(installation, name, options, (agent) => execInGuest(agent, command, complete));
}

/** The guest has those that the VM had when it started; so a session gets those that it has now. */
async function withPlaceholders(
  installation: Installation,
  name: string,
  options: ExecOptions,
): Promise<ExecOptions> {
  const { id } = getVm(installation.db, name);
  if (!existsSync(join(installation.paths.vmFolder(id), "secrets.json"))) return options;
  const { placeholdersOf, readSecrets } = await import("./secrets.ts");
  const environment = { ...placeholdersOf(readSecrets(installation, id)), ...options.environment };
  return { ...options, environment };
}

export async function shellIn(
  installation: Installation,
  name: string,
  commandLine: string | undefined,
  options: ExecOptions = {},
): Promise<ExecResult> {
  const { shellInGuest } = await import("../guest/shell.ts");
  const complete = await withPlaceholders(installation, name, options);
  return await session(installation, name, options, (agent) => shellInGuest(agent, commandLine, complete));
}

export async function copyIntoGuest(
  installation: Installation,
  name: string,
  hostPath: string,
  guestPath: string,
  options: CopyOptions = {},
): Promise<void> {
  const { copyIn } = await import("../guest/copy.ts");
  await session(installation, name, options, (agent) => copyIn(agent, hostPath, guestPath, options));
}

export async function copyOutOfGuest(
  installation: Installation,
  name: string,
  guestPath: string,
  hostPath: string,
  options: CopyOptions = {},
): Promise<void> {
  const { copyOut } = await import("../guest/copy.ts");
  await session(installation, name, options, (agent) => copyOut(agent, guestPath, hostPath, options));
}

export async function extractTarIn(
  installation: Installation,
  name: string,
  tar: NodeJS.ReadableStream,
  guestFolder: string,
  options: TaskOptions = {},
): Promise<void> {
  const { extractTar } = await import("../guest/tar.ts");
  await session(installation, name, options, (agent) => extractTar(agent, tar, guestFolder, options));
}

export async function createTarOf(
  installation: Installation,
  name: string,
  guestPath: string,
  out: NodeJS.WritableStream,
  options: TaskOptions = {},
): Promise<void> {
  const { createTar } = await import("../guest/tar.ts");
  await session(installation, name, options, (agent) => createTar(agent, guestPath, out, options));
}

export async function forwardPorts(
  installation: Installation,
  name: string,
  ports: Forwarding["ports"],
): Promise<Forwarding> {
  const { connectAgent } = await import("../guest/connect.ts");
  const { openForwards } = await import("../guest/forward.ts");
  const target = agentTarget(installation, getVm(installation.db, name), "root");
  const agent = await reaching(installation, () => connectAgent(target));
  return await openForwards(agent, ports);
}

export async function proxyTo(
  installation: Installation,
  name: string,
  stdin: NodeJS.ReadableStream,
  stdout: NodeJS.WritableStream,
): Promise<void> {
  const { proxyAgent } = await import("../guest/proxy.ts");
  const { endpoint } = agentTarget(installation, getVm(installation.db, name));
  // Unreachable before a byte of the input was read.
  await reaching(installation, () => proxyAgent(endpoint, stdin, stdout));
}

/** Host blocks for OpenSSH, and the file of host keys that they name, so that nothing is trusted on first use. */
export async function sshConfigFor(
  installation: Installation,
  program: readonly string[],
  names: readonly string[] = [],
): Promise<string> {
  const { sshConfig, knownHosts } = await import("../guest/ssh-config.ts");
  const folder = join(installation.paths.stateDir, "ssh");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const knownHostsPath = join(folder, "known_hosts");
  const all = listVms(installation.db);
  const chosen = names.length === 0 ? all : names.map((name) => getVm(installation.db, name));
  writeFileAtomic(
    knownHostsPath,
    knownHosts(all.map(({ id, hostPublicKey }) => ({ vmId: id, hostPublicKey }))),
  );
  return sshConfig(
    chosen.map(({ id, name, user }) => ({ vmId: id, name, user })),
    {
      knownHostsPath,
      identityFile: clientKeyPath(installation),
      program,
      stateDir: installation.paths.stateDir,
    },
  );
}

async function session<T>(
  installation: Installation,
  name: string,
  options: { readonly user?: string; readonly signal?: AbortSignal },
  body: (agent: AgentChannel) => Promise<T>,
): Promise<T> {
  return await withAgent(installation, getVm(installation.db, name), { signal: options.signal }, body);
}
