import { EmberError } from "../errors/ember-error.ts";
import type { Installation } from "../installation.ts";
import { findVm } from "../state/vms.ts";
import { withAgent } from "./agent.ts";
import { statusOf } from "./status.ts";

/** The agent thaws by itself after this long, should this process die in between. */
const freezeLimitMs = 5000;

/**
 * Runs `body` while nothing writes to the VM's disk: at once for a stopped or paused VM, with its file systems
 * frozen by the agent for a running one. Throws `unsupported` where the storage cannot clone a disk in use.
 */
export async function frozen<T>(
  installation: Installation,
  vmId: string,
  body: () => Promise<T>,
): Promise<T> {
  const vm = findVm(installation.db, vmId);
  if (vm === undefined) throw new EmberError("vm-not-found", "the source VM is gone");
  const status = statusOf(vm);
  if (status !== "running" && status !== "paused") return await body();
  const storage = await installation.storage();
  if (!storage.capabilities.clonesOpenDisks) {
    throw new EmberError(
      "unsupported",
      `VM '${vm.name}' is ${status}, and ${storage.name} storage cannot clone a disk in use`,
      {
        hint: `stop it first: 'ember vm stop ${vm.name}'`,
      },
    );
  }
  if (status === "paused") return await body();
  const { openControl } = await import("../guest/control.ts");
  return await withAgent(installation, vm, { user: "root" }, async (agent) => {
    await using control = await openControl(agent);
    await control.freeze(freezeLimitMs);
    try {
      return await body();
    } finally {
      await control.thaw();
    }
  });
}
