import { EmberError } from "../errors/ember-error.ts";
import type { Installation } from "../installation.ts";
import { findVm, type VmRecord } from "../state/vms.ts";
import { withAgent } from "./agent.ts";
import { statusOf } from "./status.ts";

/** The agent thaws by itself after this long, should this process hang in between. */
const freezeLimitMs = 5000;

/**
 * Runs `body` while nothing writes to the VM's disk: at once for a stopped VM, with its file systems frozen by the
 * agent for a running one. A paused guest can flush nothing: what is taken of it is what a power failure would leave,
 * which its file system's journal repairs.
 * `body` holds the guest up, so it should do nothing but the clone. Throws `unsupported` where the storage cannot
 * clone a disk in use, and `guest-failed` when the guest wrote before `body` was done: what that made must go.
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
  return await withFrozenGuest(installation, vm, body);
}

async function withFrozenGuest<T>(
  installation: Installation,
  vm: VmRecord,
  body: () => Promise<T>,
): Promise<T> {
  const { openControl } = await import("../guest/control.ts");
  return await withAgent(installation, vm, { user: "root" }, async (agent) => {
    await using control = await openControl(agent); // its end thaws too: nothing else is to be done when `body` fails
    await control.freeze(freezeLimitMs);
    const result = await body();
    const { frozenMs, held } = await control.thaw();
    if (!held) throw wroteTooEarly(vm);
    installation.verbose(`the file systems of '${vm.name}' were frozen for ${frozenMs} ms`);
    return result;
  });
}

function wroteTooEarly(vm: VmRecord): EmberError {
  return new EmberError(
    "guest-failed",
    `VM '${vm.name}' did not hold still until its disk was cloned (at most ${freezeLimitMs / 1000} s), so nothing was kept`,
    { hint: `try again when the host is less busy, or stop it first: 'ember vm stop ${vm.name}'` },
  );
}
