import { setTimeout as sleep } from "node:timers/promises";
import { findProcesses } from "#platform";
import { identify, isAlive } from "../../host/process-identity.ts";
import type { Machine } from "../hypervisor.ts";
import { endProcess } from "../vm-process.ts";
import { clearPlaces } from "./jail.ts";
import { processMark } from "./places.ts";

/** An argument that Firecracker has, and nobody who looks for the mark; and one that only the jailer has. */
const apiArgument = "--api-sock";
const jailerArgument = "--exec-file";

/** See `Hypervisor.find`. The jailer counts as long as there is nothing else: it is about to become the hypervisor. */
export function findMachine(vmId: string, folder: string, runtimeFolder: string): Machine | undefined {
  const marked = findProcesses(processMark(vmId));
  if (marked.length === 0) return undefined;
  const hypervisors = new Set(findProcesses(apiArgument));
  const jailers = new Set(findProcesses(jailerArgument));
  const found = marked.filter((pid) => hypervisors.has(pid));
  const pid = found.find((candidate) => !jailers.has(candidate)) ?? found[0];
  const identity = pid === undefined ? undefined : identify(pid);
  return identity === undefined ? undefined : { vmId, folder, runtimeFolder, process: identity };
}

const jailerLimitMs = 5_000;

/** See `Hypervisor.kill`. */
export async function killMachine(machine: Machine): Promise<void> {
  const { vmId, folder, runtimeFolder } = machine;
  const isJailer = findProcesses(jailerArgument).includes(machine.process.pid);
  // Killed between its last steps, it would leave a hypervisor that nobody can find yet: it takes but a moment itself.
  const jailerDeadline = Date.now() + jailerLimitMs;
  while (isJailer && isAlive(machine.process) && Date.now() < jailerDeadline) await sleep(2);
  await endProcess(machine.process);
  for (let next = findMachine(vmId, folder, runtimeFolder); next !== undefined; ) {
    // A jailer may just have started what it was there for; any other process is of a later start, and goes on.
    if (!isJailer) return;
    await endProcess(next.process);
    next = findMachine(vmId, folder, runtimeFolder);
  }
  await clearPlaces(vmId, folder, runtimeFolder);
}
