import { EmberError } from "../../errors/ember-error.ts";
import type { Installation } from "../../installation.ts";
import { recordEvent } from "../../state/events.ts";
import type { Operation, OperationData } from "../../state/journal.ts";
import {
  deleteSnapshotRecord,
  findSnapshot,
  findSnapshotByName,
  insertSnapshot,
  renameSnapshot,
  type SnapshotRecord,
  setSnapshotVisible,
} from "../../state/snapshots.ts";
import { setVmDiskBytes } from "../../state/vms.ts";
import { beforeRestore } from "../names.ts";
import { deleteOperation } from "./delete.ts";
import { diskOf, required, type SnapshotStep } from "./steps.ts";

/**
 * Makes a VM's disk what the snapshot holds, and keeps what it was as `before-restore`. Undone as a whole: what the
 * disk was is put back. The earlier `before-restore`, which may be the very snapshot that is restored, goes only
 * after the end, by an operation that this one leaves behind.
 */
export function restoreOperation(backup?: SnapshotRecord): Operation<Installation> {
  return {
    kind: "snapshot.restore",
    recovery: "undo",
    steps: [recordStep(backup), keepStep, restoreStep],
    conclude: publish,
  };
}

function recordStep(backup: SnapshotRecord | undefined): SnapshotStep {
  return {
    name: "record",
    run: async (installation, data) => {
      if (backup === undefined)
        throw new EmberError("internal", "a restore can only be recorded by the command that makes it");
      insertSnapshot(installation.db, backup, required(data, "vmName"));
      return undefined;
    },
    undo: async (installation, data) => deleteSnapshotRecord(installation.db, required(data, "backupId")),
  };
}

const keepStep: SnapshotStep = {
  name: "keep",
  run: async (installation, data) => {
    await (await installation.storage()).snapshot(diskOf(data, "backupId"));
    return undefined;
  },
  undo: async (installation, data) => (await installation.storage()).removeSnapshot(diskOf(data, "backupId")),
};

const restoreStep: SnapshotStep = {
  name: "restore",
  run: async (installation, data) => {
    await (await installation.storage()).restore(diskOf(data));
    return undefined;
  },
  undo: async (installation, data) => (await installation.storage()).restore(diskOf(data, "backupId")),
};

function publish(installation: Installation, data: OperationData): void {
  const { db } = installation;
  const snapshot = findSnapshot(db, required(data, "snapshotId"));
  if (snapshot !== undefined) setVmDiskBytes(db, required(data, "vmId"), snapshot.diskBytes);
  leaveEarlierBackup(installation, data);
  renameSnapshot(db, required(data, "backupId"), beforeRestore);
  setSnapshotVisible(db, required(data, "backupId"), true);
  recordEvent(db, "snapshot.restored", required(data, "vmName"), { snapshot: required(data, "name") });
}

/** It is out of the way at once; its disk goes by an operation of its own. */
function leaveEarlierBackup(installation: Installation, data: OperationData): void {
  const vmId = required(data, "vmId");
  const earlier = findSnapshotByName(installation.db, vmId, beforeRestore);
  if (earlier === undefined) return;
  setSnapshotVisible(installation.db, earlier.id, false);
  renameSnapshot(installation.db, earlier.id, hiddenName(earlier.id));
  installation.journal.leave(deleteOperation.kind, [`vm:${required(data, "vmName")}`], {
    vmId,
    vmName: required(data, "vmName"),
    snapshotId: earlier.id,
    name: beforeRestore,
  });
}

/** No user can give a snapshot a name of this form. */
export function hiddenName(id: string): string {
  return `.${id}`;
}
