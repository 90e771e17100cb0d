import { EmberError } from "../errors/ember-error.ts";
import type { Installation } from "../installation.ts";
import { findVm, getVm, listVms, type VmRecord } from "../state/vms.ts";
import type { TaskOptions, TrimReport } from "../types.ts";
import { withAgent } from "./agent.ts";
import { statusOf } from "./status.ts";

/**
 * Has the agents of the running VMs among `names` (none: all that run) discard what their guests freed, so that their disks
 * shrink. Changes nothing that a command could trip over, so nothing is locked. With names it throws `guest-failed`,
 * `guest-unreachable`, `vm-not-found`; with none a guest that fails is told of and passed over.
 */
export async function trimVms(
  installation: Installation,
  names: readonly string[] = [],
  options: TaskOptions = {},
): Promise<readonly TrimReport[]> {
  const named = names.length > 0;
  const vms = named
    ? names.map((name) => getVm(installation.db, name))
    : listVms(installation.db).filter((vm) => statusOf(vm) === "running");
  const reports: TrimReport[] = [];
  for (const vm of vms) {
    if (statusOf(vm) === "running") options.onProgress?.({ step: `trimming ${vm.name}` });
    try {
      reports.push(await trimVm(installation, vm, options.signal));
    } catch (error) {
      if (named || !(error instanceof EmberError) || options.signal?.aborted === true) throw error;
      installation.notice(`VM '${vm.name}' was not trimmed: ${error.message}`);
      reports.push(notTrimmed(vm));
    }
  }
  return reports;
}

async function trimVm(
  installation: Installation,
  vm: VmRecord,
  signal: AbortSignal | undefined,
): Promise<TrimReport> {
  if (statusOf(vm) !== "running") return notTrimmed(vm);
  const { openControl } = await import("../guest/control.ts");
  try {
    return await withAgent(installation, vm, { user: "root", signal }, async (agent) => {
      await using control = await openControl(agent);
      const { trimmedBytes, complete } = await untilAborted(control.trim(), signal);
      if (!complete) installation.notice(`VM '${vm.name}' was trimmed in part: its time was up`);
      return { vm: vm.name, trimmed: true, trimmedBytes };
    });
  } catch (error) {
    const now = findVm(installation.db, vm.id);
    if (now === undefined || statusOf(now) !== "running") return notTrimmed(vm); // stopped meanwhile, trimmed by that
    throw error;
  }
}

/** The guest gives up when the stream ends, which an abort leads to. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(new EmberError("interrupted", "interrupted while a guest was trimmed"));
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted === true) onAbort();
  work.catch(() => undefined); // of an aborted trim nobody hears how it ended
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

function notTrimmed(vm: VmRecord): TrimReport {
  return { vm: vm.name, trimmed: false, trimmedBytes: 0 };
}
