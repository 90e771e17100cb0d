import { EmberError } from "../../errors/ember-error.ts";
import type { Installation } from "../../installation.ts";
import { parseNetwork4 } from "../../network/ipv4.ts";
import { recordEvent } from "../../state/events.ts";
import type { Operation, OperationData } from "../../state/journal.ts";
import { deleteVmRecord, insertVm, setVmVisible, type VmRecord } from "../../state/vms.ts";
import { freeBlock } from "../addresses.ts";
import { frozen } from "../freeze.ts";
import { replaceSecrets, restoreSecrets, type StoredSecrets } from "../secrets.ts";
import { startSteps } from "./start.ts";
import { makeFolder, removeFolder, required, requireVm, type VmStep, vmIdOf } from "./steps.ts";

/** A VM that is to be made: everything but its addresses, which are chosen when it is written down. */
export type NewVm = Omit<
  VmRecord,
  "blockBase" | "blockPrefix" | "visible" | "status" | "startedAt" | "lastError" | "runtime"
> & {
  readonly subnet: string;
};

/**
 * Makes a VM from an image, or from another VM when `data.sourceId` is set, and starts it when `data.start` is
 * "yes". Undone as a whole, but for one case: a VM that does not boot is kept, so that its console can be read.
 */
export function createOperation(vm?: NewVm, stored?: StoredSecrets): Operation<Installation> {
  return {
    kind: "vm.create",
    recovery: "undo",
    steps: [
      recordStep(vm),
      folderStep,
      secretsStep(stored),
      diskStep,
      publishStep,
      ...startSteps.map(whenStarting),
    ],
    keepAfter: (error) => (error.code === "boot-failed" ? publishStep.name : undefined),
  };
}

function recordStep(vm: NewVm | undefined): VmStep {
  return {
    name: "record",
    run: async (installation) => {
      if (vm === undefined)
        throw new EmberError("internal", "a VM can only be recorded by the command that makes it");
      const addressing = (await installation.network()).capabilities;
      const { subnet, ...known } = vm;
      installation.db.transaction(() => {
        const blockBase = freeBlock(installation.db, parseNetwork4(subnet), addressing);
        insertVm(installation.db, {
          ...known,
          blockBase,
          blockPrefix: addressing.blockPrefix,
          visible: false,
          status: "created",
          startedAt: null,
          lastError: null,
          runtime: null,
        });
      });
      return undefined;
    },
    undo: async (installation, data) => deleteVmRecord(installation.db, vmIdOf(data)),
  };
}

const folderStep: VmStep = {
  name: "folder",
  run: async (installation, data) => {
    makeFolder(installation, vmIdOf(data));
    return undefined;
  },
  undo: async (installation, data) => removeFolder(installation, vmIdOf(data)),
};

function secretsStep(stored: StoredSecrets | undefined): VmStep {
  return {
    name: "secrets",
    run: async (installation, data) => {
      if (stored !== undefined) replaceSecrets(installation, vmIdOf(data), stored);
      return undefined;
    },
    undo: async (installation, data) => restoreSecrets(installation, vmIdOf(data), false),
  };
}

const diskStep: VmStep = {
  name: "disk",
  run: async (installation, data) => {
    const vm = requireVm(installation, data);
    const storage = await installation.storage();
    const options = { sizeBytes: vm.diskBytes, fullCopy: data["fullCopy"] === "yes" };
    const sourceId = data["sourceId"];
    if (sourceId === undefined) await storage.cloneImage({ imageId: vm.imageId }, { vmId: vm.id }, options);
    else
      await frozen(installation, sourceId, () =>
        storage.cloneVm({ vmId: sourceId }, { vmId: vm.id }, options),
      );
    return undefined;
  },
  undo: async (installation, data) => (await installation.storage()).removeVm({ vmId: vmIdOf(data) }),
};

const publishStep: VmStep = {
  name: "publish",
  run: async (installation, data) => {
    installation.db.transaction(() => {
      setVmVisible(installation.db, vmIdOf(data), true);
      const source = data["sourceName"];
      const kind = source === undefined ? "vm.created" : "vm.forked";
      recordEvent(installation.db, kind, required(data, "name"), source === undefined ? {} : { source });
    });
    return undefined;
  },
  undo: async (installation, data) => setVmVisible(installation.db, vmIdOf(data), false),
};

/** A step of `start` that does nothing when the VM is only to be made. */
function whenStarting(step: VmStep): VmStep {
  const wanted = (data: OperationData): boolean => data["start"] === "yes";
  return {
    name: step.name,
    run: async (installation, data, signal) =>
      wanted(data) ? step.run(installation, data, signal) : undefined,
    undo: async (installation, data) => (wanted(data) ? step.undo?.(installation, data) : undefined),
  };
}
