import { EmberError } from "../../errors/ember-error.ts";
import type { Installation } from "../../installation.ts";
import { parseNetwork4 } from "../../network/ipv4.ts";
import { recordEvent } from "../../state/events.ts";
import type { Operation, OperationData } from "../../state/journal.ts";
import { deleteSnapshotRecord, insertSnapshot } from "../../state/snapshots.ts";
import { deleteVmRecord, findVm, insertVm, setVmVisible } from "../../state/vms.ts";
import type { SnapshotDisk } from "../../storage/storage.ts";
import type { Progress } from "../../types.ts";
import { type Addressing, freeBlocks } from "../addresses.ts";
import { frozen } from "../freeze.ts";
import { replaceSecrets, type StoredSecrets, secretsOfFork } from "../secrets.ts";
import { statusOf } from "../status.ts";
import type { NewVm } from "./create.ts";
import { makeFolder, removeFolder, required, type VmStep } from "./steps.ts";

/** What the command that makes them knows of them. */
export interface NewForks {
  readonly vms: readonly NewVm[];
  readonly stored: StoredSecrets | undefined;
}

type Report = ((progress: Progress) => void) | undefined;

/**
 * Makes many forks of one moment: a running source is frozen once, for a snapshot that all are cloned from and that
 * goes in the end. Undone as a whole.
 */
export function forkManyOperation(forks?: NewForks, onProgress?: Report): Operation<Installation> {
  return {
    kind: "vm.fork-many",
    recovery: "undo",
    steps: [recordStep(forks?.vms), folderStep(forks), snapshotStep, disksStep(onProgress), forgetStep],
    conclude: publish,
  };
}

function idsOf(data: OperationData): string[] {
  return required(data, "vmIds").split(",");
}

function snapshotOf(data: OperationData): SnapshotDisk {
  return { vmId: required(data, "sourceId"), snapshotId: required(data, "snapshotId") };
}

function recordStep(vms: readonly NewVm[] | undefined): VmStep {
  return {
    name: "record",
    run: async (installation, data) => {
      if (vms === undefined)
        throw new EmberError("internal", "VMs can only be recorded by the command that makes them");
      const addressing = (await installation.network()).capabilities;
      installation.db.transaction(() => {
        recordSnapshot(installation, data);
        insertAll(installation, vms, addressing);
      });
      return undefined;
    },
    undo: async (installation, data) => {
      installation.db.transaction(() => {
        deleteSnapshotRecord(installation.db, required(data, "snapshotId"));
        for (const id of idsOf(data)) deleteVmRecord(installation.db, id);
      });
    },
  };
}

/** Hidden, under a name that no user can give: so that nobody takes the snapshot for a leftover. */
function recordSnapshot(installation: Installation, data: OperationData): void {
  const source = findVm(installation.db, required(data, "sourceId"));
  if (source === undefined) throw new EmberError("vm-not-found", "the source VM is gone");
  const id = required(data, "snapshotId");
  insertSnapshot(
    installation.db,
    {
      id,
      vmId: source.id,
      name: `.${id}`,
      visible: false,
      diskBytes: source.diskBytes,
      vmStatus: statusOf(source),
      createdAt: new Date().toISOString(),
    },
    source.name,
  );
}

function insertAll(installation: Installation, vms: readonly NewVm[], addressing: Addressing): void {
  const [first] = vms;
  if (first === undefined) return;
  const blocks = freeBlocks(installation.db, parseNetwork4(first.subnet), addressing, vms.length);
  for (const [index, { subnet: _, ...known }] of vms.entries()) {
    insertVm(installation.db, {
      ...known,
      blockBase: blocks[index] ?? 0, // there are as many blocks as VMs
      blockPrefix: addressing.blockPrefix,
      visible: false,
      status: "created",
      startedAt: null,
      lastError: null,
      runtime: null,
    });
  }
}

function folderStep(forks: NewForks | undefined): VmStep {
  return {
    name: "folder",
    run: async (installation, data) => {
      for (const id of idsOf(data)) {
        makeFolder(installation, id);
        const fork = forks?.vms.find((vm) => vm.id === id);
        if (fork === undefined || forks?.stored === undefined) continue;
        replaceSecrets(installation, id, secretsOfFork(forks.stored, fork.name));
      }
      return undefined;
    },
    undo: async (installation, data) => {
      for (const id of idsOf(data)) removeFolder(installation, id);
    },
  };
}

const snapshotStep: VmStep = {
  name: "snapshot",
  run: async (installation, data) => {
    const storage = await installation.storage();
    await frozen(installation, required(data, "sourceId"), () => storage.snapshot(snapshotOf(data)));
    return undefined;
  },
  undo: async (installation, data) => (await installation.storage()).removeSnapshot(snapshotOf(data)),
};

function disksStep(onProgress: Report): VmStep {
  return {
    name: "disk",
    run: async (installation, data, signal) => {
      const storage = await installation.storage();
      const fullCopy = data["fullCopy"] === "yes";
      const ids = idsOf(data);
      for (const [index, id] of ids.entries()) {
        signal?.throwIfAborted();
        onProgress?.({ step: "cloning the disk", done: index, total: ids.length, unit: "items" });
        const sizeBytes = findVm(installation.db, id)?.diskBytes ?? 0;
        await storage.cloneSnapshot(snapshotOf(data), { vmId: id }, { sizeBytes, fullCopy });
      }
      return undefined;
    },
    undo: async (installation, data) => {
      const storage = await installation.storage();
      for (const vmId of idsOf(data)) await storage.removeVm({ vmId });
    },
  };
}

const forgetStep: VmStep = {
  name: "forget",
  run: async (installation, data) => {
    await (await installation.storage()).removeSnapshot(snapshotOf(data));
    return undefined;
  },
};

function publish(installation: Installation, data: OperationData): void {
  const source = required(data, "sourceName");
  deleteSnapshotRecord(installation.db, required(data, "snapshotId"));
  for (const id of idsOf(data)) {
    setVmVisible(installation.db, id, true);
    recordEvent(installation.db, "vm.forked", findVm(installation.db, id)?.name ?? id, { source });
  }
}
