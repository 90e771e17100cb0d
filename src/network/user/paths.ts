import { existsSync, readdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { frameSocket } from "../../hypervisor/frame-socket.ts";
import type { NetworkContext } from "../network.ts";

/** Where ember-net takes requests. */
export function controlSocket({ runtimeFolder }: NetworkContext): string {
  return join(runtimeFolder, "net.sock");
}

/** Leads to ports of a VM's guest: ember-net listens there while the VM is attached. */
export function agentSocket({ runtimeFolder }: NetworkContext, vmId: string): string {
  return join(runtimeFolder, `${vmId}.agent`);
}

/**
 * What the resolver answered a VM, for rules about names: ember-net reads it when it is started anew, while the VM runs. Beside it
 * may lie a newer one that was not written to its end.
 */
export function answersFile({ runtimeFolder }: NetworkContext, vmId: string): string {
  return join(runtimeFolder, `${vmId}.answers`);
}

/** What ember-net prints. */
export function logFile({ runtimeFolder }: NetworkContext): string {
  return join(runtimeFolder, "net.log");
}

/** Where executables unpack ember-net to, private to the owner. */
export function programFolder({ stateFolder }: NetworkContext): string {
  return join(stateFolder, "net");
}

/** Post-condition: nothing of that VM's network is left, nor what ember-vz was bound at beside its frames' socket. */
export function removeFiles(context: NetworkContext, vmId: string): void {
  const { runtimeFolder } = context;
  const agent = basename(agentSocket(context, vmId));
  const frames = basename(frameSocket(runtimeFolder, vmId));
  const answers = basename(answersFile(context, vmId));
  const left = existsSync(runtimeFolder) ? readdirSync(runtimeFolder) : [];
  for (const name of left) {
    if (name === agent || [frames, answers].some((own) => name === own || name.startsWith(`${own}.`)))
      rmSync(join(runtimeFolder, name), { force: true });
  }
}
