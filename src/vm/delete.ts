import { EmberError } from "../errors/ember-error.ts";
import type { Installation } from "../installation.ts";
import { listSnapshots } from "../state/snapshots.ts";
import { findVm, getVm, type VmRecord } from "../state/vms.ts";
import type { DeleteVmOptions, TaskOptions } from "../types.ts";
import { deleteOperation } from "./operations/delete.ts";
import { tellSiblings } from "./siblings.ts";
import { statusOf } from "./status.ts";

/**
 * Post-condition: nothing of the VM is left. A running VM is only removed with `force`, as if its plug were pulled;
 * so are its snapshots, and forks that cannot do without it.
 */
export async function deleteVm(
  installation: Installation,
  name: string,
  options: DeleteVmOptions & TaskOptions = {},
): Promise<void> {
  getVm(installation.db, name); // an unknown name is refused before anything is waited for
  for (;;) {
    // Whoever is taken along is held too; more may come while we wait, then we begin again.
    const names = (await doomed(installation, getVm(installation.db, name), options)).map((vm) => vm.name);
    const held = await installation.holding(
      names.map((each) => `vm:${each}`),
      `ember vm delete ${name}`,
      () => deleteHeld(installation, name, names, options),
      { signal: options.signal },
    );
    if (!held) continue;
    await tellSiblings(installation, options);
    return;
  }
}

/** False when there is more to be taken along than is held. */
async function deleteHeld(
  installation: Installation,
  name: string,
  names: readonly string[],
  options: DeleteVmOptions & TaskOptions,
): Promise<boolean> {
  const vm = getVm(installation.db, name);
  const all = await doomed(installation, vm, options);
  if (all.some((each) => !names.includes(each.name))) return false;
  if (options.force !== true) await refuse(installation, vm, options);
  const { dependentForks } = await installation.storage();
  if (options.keepForks === true) await dependentForks?.detach({ vmId: vm.id });
  for (const each of all) {
    const data = { vmId: each.id, name: each.name };
    const subjects = [`vm:${each.name}`];
    await installation.journal.execute(deleteOperation, subjects, installation, data, options.signal);
  }
  return true;
}

/** The VM and what goes with it, those first that others depend on least. */
async function doomed(
  installation: Installation,
  vm: VmRecord,
  options: DeleteVmOptions,
): Promise<readonly VmRecord[]> {
  if (options.force !== true || options.keepForks === true) return [vm];
  const forks = await forksOf(installation, vm);
  const all: VmRecord[] = [];
  for (const fork of forks) all.push(...(await doomed(installation, fork, options)));
  return [...all, vm];
}

async function forksOf(installation: Installation, vm: VmRecord): Promise<readonly VmRecord[]> {
  const { dependentForks } = await installation.storage();
  const ids = (await dependentForks?.list({ vmId: vm.id })) ?? [];
  return ids.flatMap((id) => findVm(installation.db, id) ?? []);
}

/** Throws `wrong-state`, `has-dependants`. */
async function refuse(installation: Installation, vm: VmRecord, options: DeleteVmOptions): Promise<void> {
  const { name } = vm;
  const status = statusOf(vm);
  if (status === "running" || status === "paused") {
    throw new EmberError("wrong-state", `VM '${name}' is ${status}`, {
      hint: `stop it first, or take it as it is with 'ember vm delete --force ${name}'`,
    });
  }
  const snapshots = listSnapshots(installation.db, vm.id);
  if (snapshots.length > 0) {
    const names = listed(snapshots.map((snapshot) => snapshot.name));
    throw new EmberError(
      "has-dependants",
      `VM '${name}' has ${plural(snapshots.length, "snapshot")}: ${names}`,
      {
        hint: `'ember vm delete --force ${name}' deletes them too`,
      },
    );
  }
  const forks = options.keepForks === true ? [] : await forksOf(installation, vm);
  if (forks.length > 0) {
    const names = listed(forks.map((fork) => fork.name));
    throw new EmberError("has-dependants", `VM '${name}' has ${plural(forks.length, "fork")}: ${names}`, {
      hint: `--keep-forks makes them independent of it first; --force deletes them too`,
    });
  }
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function listed(names: readonly string[]): string {
  const most = 10;
  return names.length <= most
    ? names.join(", ")
    : `${names.slice(0, most).join(", ")}, and ${names.length - most} more`;
}
