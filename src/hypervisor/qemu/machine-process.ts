import { rmSync } from "node:fs";
import { findProcesses } from "#platform";
import type { Machine } from "../hypervisor.ts";
import { endProcess, findMarked } from "../vm-process.ts";
import { commonArgument, monitorSocket, processMark } from "./arguments.ts";

/** See `Hypervisor.find`. */
export function findMachine(vmId: string, folder: string, runtimeFolder: string): Machine | undefined {
  const process = findMarked(processMark(vmId), commonArgument);
  return process === undefined ? undefined : { vmId, folder, runtimeFolder, process };
}

/** See `Hypervisor.kill`. */
export async function killMachine(machine: Machine): Promise<void> {
  await endProcess(machine.process);
  // Another process of the same VM may have been started meanwhile: then the socket is that one's.
  if (findProcesses(processMark(machine.vmId)).length > 0) return;
  rmSync(monitorSocket(machine.runtimeFolder, machine.vmId), { force: true });
}
