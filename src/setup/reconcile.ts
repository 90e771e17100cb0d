import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isAlive } from "../host/process-identity.ts";
import { idsInJournal, sweepImages } from "../image/sweep.ts";
import type { Installation } from "../installation.ts";
import { sweepKernels } from "../kernel/store.ts";
import { findSnapshot } from "../state/snapshots.ts";
import { findVm, listVms } from "../state/vms.ts";
import type { ReconcileReport } from "../types.ts";
import { stopVm } from "../vm/lifecycle.ts";
import { keepNetwork } from "../vm/revival.ts";

/**
 * Finishes or undoes what killed commands left, takes note of VMs whose guest has powered itself off, and removes
 * files that belong to no VM. Other commands may run meanwhile: whatever one of them holds is left alone.
 */
export async function reconcile(installation: Installation): Promise<ReconcileReport> {
  const recovered = await installation.recoverAbandoned();
  await keepNetwork(installation);
  const named = (outcome: string): string[] =>
    recovered
      .filter((item) => item.outcome === outcome)
      .map((item) => `${item.kind} ${item.subjects.join(", ")}`);
  return {
    finished: named("finished"),
    undone: named("undone"),
    stopped: await settleStopped(installation),
    removed: installation.initialized ? await removeLeftovers(installation) : [],
  };
}

async function settleStopped(installation: Installation): Promise<string[]> {
  const stopped: string[] = [];
  for (const vm of listVms(installation.db)) {
    if (vm.runtime === null || isAlive(vm.runtime.process)) continue;
    await stopVm(installation, vm.name);
    stopped.push(vm.name);
  }
  return stopped;
}

/** Disks and folders without a record. Whoever makes one writes the record first, so these belong to nobody. */
async function removeLeftovers(installation: Installation): Promise<string[]> {
  const removed = sweepKernels(installation.paths).map((name) => `unfinished kernel ${name}`);
  const vmsFolder = join(installation.paths.stateDir, "vms");
  for (const id of entriesOf(vmsFolder)) {
    if (findVm(installation.db, id) !== undefined) continue;
    rmSync(join(vmsFolder, id), { recursive: true, force: true });
    removed.push(`folder of VM ${id}`);
  }
  const storage = await installation.storage();
  const { vmIds, snapshots } = await storage.list();
  for (const snapshot of snapshots) {
    if (findSnapshot(installation.db, snapshot.snapshotId) !== undefined) continue;
    await storage.removeSnapshot(snapshot);
    removed.push(`snapshot ${snapshot.snapshotId} of VM ${snapshot.vmId}`);
  }
  // Clones that an image is read by have no record: whoever makes one is in the journal first.
  const inUse = idsInJournal(installation);
  for (const vmId of vmIds) {
    if (inUse.has(vmId) || findVm(installation.db, vmId) !== undefined) continue;
    await storage.removeVm({ vmId });
    removed.push(`disk of VM ${vmId}`);
  }
  removed.push(...(await sweepImages(installation)));
  return removed;
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // no VM was ever made
  }
}
