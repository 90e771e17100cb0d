import { EmberError } from "../../errors/ember-error.ts";
import { removeWorkplace } from "../../image/workplace.ts";
import type { Installation } from "../../installation.ts";
import type { Operation, OperationData } from "../../state/journal.ts";
import { deleteSnapshotRecord, insertSnapshot, type SnapshotRecord } from "../../state/snapshots.ts";
import { frozen } from "../../vm/freeze.ts";
import { diskOf, required } from "./steps.ts";

/** What is done with the snapshot while it is there. */
export interface Comparison {
  readonly now: SnapshotRecord;
  compare(): Promise<void>;
}

/** Compares with the disk as it is now, by a snapshot that nobody sees and that is gone in the end. */
export function diffOperation(comparison?: Comparison): Operation<Installation> {
  return {
    kind: "snapshot.diff",
    recovery: "undo",
    steps: [
      {
        name: "record",
        run: async (installation, data) => {
          insertSnapshot(installation.db, present(comparison).now, required(data, "vmName"));
          return undefined;
        },
        undo: forgetRecord,
      },
      {
        name: "disk",
        run: async (installation, data) => {
          const storage = await installation.storage();
          await frozen(installation, required(data, "vmId"), () => storage.snapshot(diskOf(data)));
          return undefined;
        },
        undo: forgetDisk,
      },
      {
        name: "compare",
        run: async () => {
          await present(comparison).compare();
          return undefined;
        },
        // A push writes what it sends there.
        undo: (installation, data) =>
          removeWorkplace(installation.paths.stateDir, required(data, "snapshotId")),
      },
      {
        name: "forget",
        run: async (installation, data) => {
          await forgetDisk(installation, data);
          await forgetRecord(installation, data);
          return undefined;
        },
      },
    ],
  };
}

function present(comparison: Comparison | undefined): Comparison {
  if (comparison !== undefined) return comparison;
  throw new EmberError("internal", "disks can only be compared by the command that was asked to");
}

async function forgetDisk(installation: Installation, data: OperationData): Promise<void> {
  await (await installation.storage()).removeSnapshot(diskOf(data));
}

async function forgetRecord(installation: Installation, data: OperationData): Promise<void> {
  deleteSnapshotRecord(installation.db, required(data, "snapshotId"));
}
