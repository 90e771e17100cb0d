import { EmberError } from "../../errors/ember-error.ts";
import type { Installation } from "../../installation.ts";
import { recordEvent } from "../../state/events.ts";
import type { Operation } from "../../state/journal.ts";
import {
  deleteSnapshotRecord,
  insertSnapshot,
  type SnapshotRecord,
  setSnapshotVisible,
} from "../../state/snapshots.ts";
import { frozen } from "../../vm/freeze.ts";
import { diskOf, required } from "./steps.ts";

/** Keeps a VM's disk as it is now. Undone as a whole. */
export function createOperation(snapshot?: SnapshotRecord): Operation<Installation> {
  return {
    kind: "snapshot.create",
    recovery: "undo",
    steps: [
      {
        name: "record",
        run: async (installation, data) => {
          if (snapshot === undefined)
            throw new EmberError("internal", "a snapshot can only be recorded by the command that makes it");
          insertSnapshot(installation.db, snapshot, required(data, "vmName"));
          return undefined;
        },
        undo: async (installation, data) =>
          deleteSnapshotRecord(installation.db, required(data, "snapshotId")),
      },
      {
        name: "disk",
        run: async (installation, data) => {
          const storage = await installation.storage();
          await frozen(installation, required(data, "vmId"), () => storage.snapshot(diskOf(data)));
          return undefined;
        },
        undo: async (installation, data) => (await installation.storage()).removeSnapshot(diskOf(data)),
      },
      {
        name: "publish",
        run: async (installation, data) => {
          installation.db.transaction(() => {
            setSnapshotVisible(installation.db, required(data, "snapshotId"), true);
            recordEvent(installation.db, "snapshot.created", required(data, "vmName"), {
              snapshot: required(data, "name"),
            });
          });
          return undefined;
        },
        undo: async (installation, data) =>
          setSnapshotVisible(installation.db, required(data, "snapshotId"), false),
      },
    ],
  };
}
