import { mkdirSync, rmSync } from "node:fs";
import { EmberError } from "../../errors/ember-error.ts";
import type { Installation } from "../../installation.ts";
import type { OperationData, Step } from "../../state/journal.ts";
import { findVm, setVmHalted, type VmRecord } from "../../state/vms.ts";

export type VmStep = Step<Installation>;

/** The id of the VM that an operation is about. */
export function vmIdOf(data: OperationData): string {
  return required(data, "vmId");
}

export function required(data: OperationData, key: string): string {
  const value = data[key];
  if (value === undefined) throw new EmberError("internal", `the journal lacks '${key}'`);
  return value;
}

export function requireVm(installation: Installation, data: OperationData): VmRecord {
  const vm = findVm(installation.db, vmIdOf(data));
  if (vm === undefined) throw new EmberError("internal", `VM ${vmIdOf(data)} is gone from the database`);
  return vm;
}

export function makeFolder(installation: Installation, vmId: string): void {
  mkdirSync(installation.paths.vmFolder(vmId), { recursive: true, mode: 0o700 });
}

export function removeFolder(installation: Installation, vmId: string): void {
  rmSync(installation.paths.vmFolder(vmId), { recursive: true, force: true });
}

/** Post-condition: no hypervisor of that VM is left, and nothing it was given, whatever the database says of it. */
export async function killMachine(installation: Installation, vmId: string): Promise<void> {
  const hypervisor = await installation.hypervisor();
  const { runtimeDir } = installation.paths;
  const folder = installation.paths.vmFolder(vmId);
  const machine = hypervisor.find(vmId, folder, runtimeDir);
  if (machine !== undefined) await hypervisor.kill(machine);
  await hypervisor.clear?.(vmId, folder, runtimeDir);
  (await installation.containment())?.remove(vmId);
}

/** The steps that leave a VM without a process: shared by stop and delete. */
export const haltSteps: readonly VmStep[] = [
  {
    name: "kill",
    run: async (installation, data) => {
      await killMachine(installation, vmIdOf(data));
      return undefined;
    },
  },
  {
    name: "network",
    run: async (installation, data) => {
      await (await installation.network()).detach(vmIdOf(data));
      return undefined;
    },
  },
  {
    name: "halted",
    run: async (installation, data) => {
      setVmHalted(installation.db, vmIdOf(data), "stopped");
      return undefined;
    },
  },
  {
    name: "deactivate",
    run: async (installation, data) => {
      // Not opened: a VM can be stopped when its storage is broken.
      await (await installation.storageDriver()).deactivate({ vmId: vmIdOf(data) });
      return undefined;
    },
  },
];
