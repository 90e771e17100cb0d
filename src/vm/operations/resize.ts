import { EmberError, toEmberError } from "../../errors/ember-error.ts";
import type { Installation } from "../../installation.ts";
import { recordEvent } from "../../state/events.ts";
import type { Operation, OperationData } from "../../state/journal.ts";
import { setVmDiskBytes, type VmRecord } from "../../state/vms.ts";
import { withAgent } from "../agent.ts";
import { machineOf, statusOf } from "../status.ts";
import { required, requireVm, type VmStep } from "./steps.ts";

/** Why a disk did not grow, or its guest could not be told. */
export interface ResizeOutcome {
  error?: EmberError;
}

/**
 * Makes a VM's disk larger, then records that, then tells a running guest. Finished, never undone: a disk cannot
 * shrink again. What fails does not stay in the journal, where it would be in the way of every later command: a disk
 * that did not grow is as it was, and a guest that was not told sees the size at its next start.
 */
export function resizeOperation(outcome: ResizeOutcome = {}): Operation<Installation> {
  return {
    kind: "vm.resize",
    recovery: "finish",
    steps: [diskStep(outcome), recordStep, guestStep(outcome)],
  };
}

function diskStep(outcome: ResizeOutcome): VmStep {
  return {
    name: "disk",
    run: async (installation, data) => {
      const vm = requireVm(installation, data);
      await installation.storage(); // not open: then nothing is known of the disk, and the operation must stay
      try {
        await growDisk(installation, vm, sizeOf(data));
        return { grown: "yes" };
      } catch (error) {
        outcome.error = toEmberError(error);
        installation.verbose(`the disk of '${vm.name}' did not grow: ${outcome.error.message}`);
        return undefined;
      }
    },
  };
}

const recordStep: VmStep = {
  name: "record",
  run: async (installation, data) => {
    if (!hasGrown(data)) return undefined;
    const { id, name, diskBytes } = requireVm(installation, data);
    if (diskBytes === sizeOf(data)) return undefined; // done before this operation was cut short
    installation.db.transaction(() => {
      setVmDiskBytes(installation.db, id, sizeOf(data));
      recordEvent(installation.db, "vm.resized", name, { diskBytes: sizeOf(data) });
    });
    return undefined;
  },
};

function guestStep(outcome: ResizeOutcome): VmStep {
  return {
    name: "guest",
    run: async (installation, data, signal) => {
      const vm = requireVm(installation, data);
      if (!hasGrown(data) || statusOf(vm) !== "running") return undefined;
      try {
        await showToGuest(installation, vm, signal);
      } catch (error) {
        const { code, message } = toEmberError(error);
        outcome.error = new EmberError(
          code,
          `the disk of '${vm.name}' has grown, but not its file system: ${message}`,
          {
            hint: `do it again, or restart the VM: 'ember vm restart ${vm.name}'`,
            cause: error,
          },
        );
        installation.verbose(outcome.error.message);
      }
      return undefined;
    },
  };
}

function sizeOf(data: OperationData): number {
  return Number(required(data, "diskBytes"));
}

function hasGrown(data: OperationData): boolean {
  return data["grown"] === "yes";
}

/**
 * Post-condition: the disk has that size on the storage. A storage that must leave an open disk alone has its
 * hypervisor grow it; asked afterwards, it accepts what it finds to be of that size, which also tells whether it is.
 */
async function growDisk(installation: Installation, vm: VmRecord, sizeBytes: number): Promise<void> {
  const storage = await installation.storage();
  let refusal: unknown;
  if (statusOf(vm) === "running" && !storage.capabilities.growsOpenDisks) {
    await tellHypervisor(installation, { ...vm, diskBytes: sizeBytes }).catch((error: unknown) => {
      refusal = error;
    });
  }
  await storage.grow({ vmId: vm.id }, sizeBytes).catch((error: unknown) => {
    throw refusal ?? error;
  });
}

/** Post-condition: the running guest's disk and root file system are as large as the VM's record says. */
export async function showToGuest(
  installation: Installation,
  vm: VmRecord,
  signal: AbortSignal | undefined,
): Promise<void> {
  await tellHypervisor(installation, vm);
  const { openControl } = await import("../../guest/control.ts");
  await withAgent(installation, vm, { user: "root", signal }, async (agent) => {
    await using control = await openControl(agent);
    const { beforeBytes, afterBytes } = await control.grow(vm.diskBytes);
    installation.verbose(`the file system of '${vm.name}' grew from ${beforeBytes} to ${afterBytes} bytes`);
  });
}

async function tellHypervisor(installation: Installation, vm: VmRecord): Promise<void> {
  const hypervisor = await installation.hypervisor();
  if (vm.runtime === null || hypervisor.resizeDrive === undefined) return;
  await hypervisor.resizeDrive(machineOf(installation, vm, vm.runtime), 0, vm.diskBytes);
}
