import type { Installation } from "../../installation.ts";
import { recordEvent } from "../../state/events.ts";
import type { Operation } from "../../state/journal.ts";
import { deleteSnapshotRecord, setSnapshotVisible } from "../../state/snapshots.ts";
import { diskOf, required } from "./steps.ts";

/** Removes a snapshot. Finished, never undone: from its first step on, nobody sees the snapshot any more. */
export const deleteOperation: Operation<Installation> = {
  kind: "snapshot.delete",
  recovery: "finish",
  steps: [
    {
      name: "hide",
      run: async (installation, data) => {
        setSnapshotVisible(installation.db, required(data, "snapshotId"), false);
        return undefined;
      },
    },
    {
      name: "disk",
      run: async (installation, data) => {
        await (await installation.storage()).removeSnapshot(diskOf(data));
        return undefined;
      },
    },
    {
      name: "record",
      run: async (installation, data) => {
        installation.db.transaction(() => {
          deleteSnapshotRecord(installation.db, required(data, "snapshotId"));
          recordEvent(installation.db, "snapshot.deleted", required(data, "vmName"), {
            snapshot: required(data, "name"),
          });
        });
        return undefined;
      },
    },
  ],
};
