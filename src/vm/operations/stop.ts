import type { Installation } from "../../installation.ts";
import { recordEvent } from "../../state/events.ts";
import type { Operation } from "../../state/journal.ts";
import { haltSteps, required } from "./steps.ts";

/** Ends a VM's hypervisor and gives back what it held. The guest was asked before, if it was to be asked. */
export const stopOperation: Operation<Installation> = {
  kind: "vm.stop",
  recovery: "finish",
  steps: [
    ...haltSteps,
    {
      name: "event",
      run: async (installation, data) => {
        recordEvent(installation.db, "vm.stopped", required(data, "name"));
        return undefined;
      },
    },
  ],
};
