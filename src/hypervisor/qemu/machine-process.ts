import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { findProcesses } from "#platform";
import { EmberError } from "../../errors/ember-error.ts";
import { identify, isAlive, signalProcess } from "../../host/process-identity.ts";
import type { Machine } from "../hypervisor.ts";
import { commonArgument, monitorSocket, processMark } from "./arguments.ts";

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

/** A killed process takes as long as the host needs to take its memory back; beyond this it is stuck in the host. */
const killTimeoutMs = 20_000;

/** See `Hypervisor.kill`. */
export async function killMachine(machine: Machine): Promise<void> {
  const deadline = Date.now() + killTimeoutMs;
  signalProcess(machine.process, "SIGKILL");
  for (let waitMs = 1; isAlive(machine.process); waitMs = Math.min(50, waitMs * 2)) {
    if (Date.now() > deadline) {
      throw new EmberError(
        "hypervisor-failed",
        `process ${machine.process.pid} was killed but has not gone within ${killTimeoutMs / 1000} s`,
        { hint: "the host's kernel holds it: look at its log, and restart the host if it stays" },
      );
    }
    await sleep(waitMs);
  }
  // Another process of the same VM may have been started meanwhile: then the socket is that one's.
  if (findProcesses(processMark(machine.vmId)).length > 0) return;
  rmSync(monitorSocket(machine.runtimeFolder, machine.vmId), { force: true });
}
