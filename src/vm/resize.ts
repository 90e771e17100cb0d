import { EmberError } from "../errors/ember-error.ts";
import { formatSize } from "../host/sizes.ts";
import type { Installation } from "../installation.ts";
import { getVm, type VmRecord } from "../state/vms.ts";
import type { TaskOptions } from "../types.ts";
import { checkDiskSize } from "./limits.ts";
import { type ResizeOutcome, resizeOperation, showToGuest } from "./operations/resize.ts";
import { requireRunning, statusOf } from "./status.ts";

/**
 * Post-condition: the VM's disk has that size. A guest that runs has grown its file system to it; another does so when
 * it starts. Throws `unsupported` for smaller, `invalid-size`, `wrong-state` for a paused VM, `disk-full`, and
 * `guest-failed` or `hypervisor-failed` when the disk has grown but the guest could not be told.
 */
export async function resizeVm(
  installation: Installation,
  name: string,
  diskBytes: number,
  options: TaskOptions = {},
): Promise<void> {
  getVm(installation.db, name); // an unknown name is refused before anything is waited for
  await installation.holding(
    [`vm:${name}`],
    `ember vm resize ${name}`,
    () => resize(installation, getVm(installation.db, name), diskBytes, options),
    { signal: options.signal },
  );
}

async function resize(
  installation: Installation,
  vm: VmRecord,
  diskBytes: number,
  options: TaskOptions,
): Promise<void> {
  if (diskBytes < vm.diskBytes) throw cannotShrink(vm, diskBytes);
  if (diskBytes > vm.diskBytes) checkDiskSize(diskBytes);
  const status = statusOf(vm);
  const alive = status === "running" || status === "paused";
  if (alive) {
    requireRunning(vm); // a paused guest could not grow its file system
    if ((await installation.hypervisor()).resizeDrive === undefined) throw cannotGrowLive(vm);
  }
  options.onProgress?.({ step: "growing" });
  if (diskBytes === vm.diskBytes) {
    if (alive) await showToGuest(installation, vm, options.signal); // it may not have come to that before
    return;
  }
  const outcome: ResizeOutcome = {};
  const data = { vmId: vm.id, name: vm.name, diskBytes: `${diskBytes}` };
  const operation = resizeOperation(outcome);
  await installation.journal.execute(operation, [`vm:${vm.name}`], installation, data, options.signal);
  if (outcome.error !== undefined) throw outcome.error;
}

function cannotShrink(vm: VmRecord, diskBytes: number): EmberError {
  return new EmberError(
    "unsupported",
    `the disk of VM '${vm.name}' has ${formatSize(vm.diskBytes)} and cannot be made smaller (${formatSize(diskBytes)}): ` +
      "its file system reaches to the end, and a file system is not made smaller while data may lie there",
    { hint: "make a VM with a smaller disk and copy over what is needed: 'ember cp'" },
  );
}

function cannotGrowLive(vm: VmRecord): EmberError {
  return new EmberError("unsupported", `VM '${vm.name}' runs, and its hypervisor cannot make a disk larger`, {
    hint: `stop it first: 'ember vm stop ${vm.name}'`,
  });
}
