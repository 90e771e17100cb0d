import { EmberError } from "../errors/ember-error.ts";
import { isAlive } from "../host/process-identity.ts";
import type { Installation } from "../installation.ts";
import { recordEvent } from "../state/events.ts";
import { acquireLease } from "../state/leases.ts";
import { findVm, listVms, type VmRecord } from "../state/vms.ts";
import { networkOf } from "./vm-network.ts";

/**
 * Post-condition: where the network is a process, it serves all VMs that run, and none of those that have ended by
 * themselves. True when it had to be started anew: the event `network.restarted` tells of it. Throws as `Network.revive`.
 */
export async function reviveNetwork(installation: Installation): Promise<boolean> {
  if (!installation.initialized) return false;
  const started = listVms(installation.db).filter((vm) => vm.runtime !== null);
  if (started.length === 0) return false;
  const network = await installation.network();
  if (network.revive === undefined) return false;
  const running = started.filter(runs);
  const vms = await Promise.all(running.map((vm) => networkOf(installation, vm)));
  const revived = running.length > 0 && (await network.revive(vms));
  if (revived) recordEvent(installation.db, "network.restarted", network.name, { vms: running.length });
  await leaveEnded(installation, started);
  return revived;
}

/** The same before a command does its own work: a failure is told, and does not stop it. */
export async function keepNetwork(installation: Installation): Promise<void> {
  try {
    await reviveNetwork(installation);
  } catch (error) {
    installation.verbose(`the network was not revived: ${error instanceof Error ? error.message : error}`);
  }
}

/**
 * Runs `body`, which reaches a guest's agent; once more when it did not, and the network's process had been gone. `body` must
 * fail before it has asked the guest for anything.
 */
export async function reaching<T>(installation: Installation, body: () => Promise<T>): Promise<T> {
  // Where the agent is reached without that process, nobody would notice that the guest has lost its way out.
  if ((await installation.network()).needsProcess !== undefined) await keepNetwork(installation);
  try {
    return await body();
  } catch (error) {
    if (!(error instanceof EmberError) || error.code !== "guest-unreachable") throw error;
    if (!(await reviveNetwork(installation))) throw error;
    return await body();
  }
}

/** For people: that VMs run without the network's process, and what mends it; undefined when all is well. Changes nothing. */
export async function lostNetwork(installation: Installation): Promise<string | undefined> {
  const running = listVms(installation.db).filter(runs);
  const network = await installation.network();
  if (running.length === 0 || network.revive === undefined) return undefined;
  const vms = await Promise.all(running.map((vm) => networkOf(installation, vm)));
  if (!vms.some((vm) => network.needsProcess?.(vm) ?? true)) return undefined;
  if ((await network.status?.())?.process !== null) return undefined;
  return "VMs are running, and the network's process is gone: 'ember reconcile' starts it anew, as the next exec or start does";
}

function runs(vm: VmRecord): boolean {
  return vm.runtime !== null && isAlive(vm.runtime.process);
}

/** Those whose guest powered itself off, or which were stopped while they were attached again, give their ports back. */
async function leaveEnded(installation: Installation, vms: readonly VmRecord[]): Promise<void> {
  const network = await installation.network();
  for (const { id, name } of vms) {
    const seen = findVm(installation.db, id);
    if (seen !== undefined && runs(seen)) continue;
    try {
      // Whoever holds it sees to its network; a start of it must not be disturbed.
      using _lease = await acquireLease(installation.db, [`vm:${name}`], "ember reconcile", { timeoutMs: 0 });
      const vm = findVm(installation.db, id);
      if (vm === undefined || !runs(vm)) await network.detach(id);
    } catch (error) {
      if (!(error instanceof EmberError && error.code === "busy")) throw error;
    }
  }
}
