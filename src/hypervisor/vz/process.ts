import { rmSync } from "node:fs";
import { findProcesses } from "#platform";
import { findMarked } from "../../host/marked-process.ts";
import type { Machine } from "../hypervisor.ts";
import { endProcess } from "../vm-process.ts";
import { commonArgument } from "./arguments.ts";
import { controlSocket, processMark, vsockSocket } from "./places.ts";

/** See `Hypervisor.find`. */
export function findMachine(vmId: string, folder: string, runtimeFolder: string): Machine | undefined {
  const process = findMarked(processMark(vmId), commonArgument);
  return process === undefined ? undefined : { vmId, folder, runtimeFolder, process };
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
