import { rmSync } from "node:fs";
import { findProcesses } from "#platform";
import { identify } from "../../host/process-identity.ts";
import { endProcess } from "../end-process.ts";
import type { Machine } from "../hypervisor.ts";
import { commonArgument } from "./arguments.ts";
import { controlSocket, processMark, vsockSocket } from "./places.ts";

/** See `Hypervisor.find`. */
export function findMachine(vmId: string, folder: string, runtimeFolder: string): Machine | undefined {
  const marked = findProcesses(processMark(vmId));
  if (marked.length === 0) return undefined;
  // Somebody may be searching for the very mark (`grep ember-...`): a hypervisor also has the common argument.
  const hypervisors = new Set(findProcesses(commonArgument));
  for (const pid of marked) {
    const identity = hypervisors.has(pid) ? identify(pid) : undefined;
    if (identity !== undefined) return { vmId, folder, runtimeFolder, process: identity };
  }
  return undefined;
}

/** See `Hypervisor.kill`. */
export async function killMachine(machine: Machine): Promise<void> {
  await endProcess(machine.process);
  // Another process of the same VM may have been started meanwhile: then the sockets are that one's.
  if (findProcesses(processMark(machine.vmId)).length > 0) return;
  removeSockets(machine.runtimeFolder, machine.vmId);
}

export function removeSockets(runtimeFolder: string, vmId: string): void {
  for (const path of [controlSocket(runtimeFolder, vmId), vsockSocket(runtimeFolder, vmId)])
    rmSync(path, { force: true });
}
