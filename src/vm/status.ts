import { EmberError } from "../errors/ember-error.ts";
import { isAlive } from "../host/process-identity.ts";
import type { Machine } from "../hypervisor/hypervisor.ts";
import type { Installation } from "../installation.ts";
import type { VmRecord, VmRuntime } from "../state/vms.ts";
import type { VmStatus } from "../types.ts";

/**
 * A VM's status now. The database says what commands did; a guest may have powered itself off since, which shows
 * in its hypervisor being gone. Costs one look at the process table.
 */
export function statusOf(vm: VmRecord): VmStatus {
  if (vm.runtime === null) return vm.status;
  return isAlive(vm.runtime.process) ? vm.status : "stopped";
}

export function machineOf(installation: Installation, vm: VmRecord, runtime: VmRuntime): Machine {
  return {
    vmId: vm.id,
    process: runtime.process,
    folder: installation.paths.vmFolder(vm.id),
    runtimeFolder: installation.paths.runtimeDir,
  };
}

/** The runtime of a VM that is running or paused. Throws `wrong-state` naming what it is instead. */
export function requireAlive(vm: VmRecord): VmRuntime {
  const status = statusOf(vm);
  if (vm.runtime !== null && (status === "running" || status === "paused")) return vm.runtime;
  throw new EmberError("wrong-state", `VM '${vm.name}' is ${status}, not running`, {
    hint: `start it with 'ember vm start ${vm.name}'`,
  });
}

/** The runtime of a VM that runs (a paused guest answers nobody). Throws `wrong-state`. */
export function requireRunning(vm: VmRecord): VmRuntime {
  const runtime = requireAlive(vm);
  if (statusOf(vm) !== "paused") return runtime;
  throw new EmberError("wrong-state", `VM '${vm.name}' is paused`, {
    hint: `let it go on with 'ember vm resume ${vm.name}'`,
  });
}

/** Throws `wrong-state` when the VM has a hypervisor. `doing` completes "stop it before ...". */
export function requireHalted(vm: VmRecord, doing: string): void {
  const status = statusOf(vm);
  if (status !== "running" && status !== "paused") return;
  throw new EmberError("wrong-state", `VM '${vm.name}' is ${status}`, {
    hint: `stop it before ${doing}: 'ember vm stop ${vm.name}'`,
  });
}
