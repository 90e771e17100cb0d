import type { Installation } from "../../installation.ts";
import { recordEvent } from "../../state/events.ts";
import type { Operation } from "../../state/journal.ts";
import { deleteSnapshotRecordsOf } from "../../state/snapshots.ts";
import { deleteVmRecord, setVmVisible } from "../../state/vms.ts";
import { haltSteps, removeFolder, required, vmIdOf } from "./steps.ts";

/** Removes a VM. Finished, never undone: from its first step on, nobody sees the VM any more. */
export const deleteOperation: Operation<Installation> = {
  kind: "vm.delete",
  recovery: "finish",
  steps: [
    {
      name: "hide",
      run: async (installation, data) => {
        setVmVisible(installation.db, vmIdOf(data), false);
        return undefined;
      },
    },
    ...haltSteps,
    {
      name: "disk",
      run: async (installation, data) => {
        await (await installation.storage()).removeVm({ vmId: vmIdOf(data) });
        return undefined;
      },
    },
    {
      name: "folder",
      run: async (installation, data) => {
        removeFolder(installation, vmIdOf(data));
        return undefined;
      },
    },
    {
      name: "record",
      run: async (installation, data) => {
        installation.db.transaction(() => {
          deleteSnapshotRecordsOf(installation.db, vmIdOf(data));
          deleteVmRecord(installation.db, vmIdOf(data));
          recordEvent(installation.db, "vm.deleted", required(data, "name"));
        });
        return undefined;
      },
    },
  ],
};
