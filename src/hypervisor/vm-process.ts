import { setTimeout as sleep } from "node:timers/promises";
import { findProcesses } from "#platform";
import { EmberError } from "../errors/ember-error.ts";
import { identify, isAlive, type ProcessIdentity, signalProcess } from "../host/process-identity.ts";
import type { Machine } from "./hypervisor.ts";

/**
 * The process that has a VM's mark among its arguments. Somebody may be searching for that very mark (`grep ember-...`), so a
 * hypervisor is told by an argument that all of its kind have.
 */
export function findMarked(mark: string, commonArgument: string): ProcessIdentity | undefined {
  const marked = findProcesses(mark);
  if (marked.length === 0) return undefined;
  const hypervisors = new Set(findProcesses(commonArgument));
  for (const pid of marked) {
    const identity = hypervisors.has(pid) ? identify(pid) : undefined;
    if (identity !== undefined) return identity;
  }
  return undefined;
}

/** Throws `wrong-state` when there is one. */
export function refuseRunning(machine: Machine | undefined): void {
  if (machine === undefined) return;
  throw new EmberError("wrong-state", `the VM runs already, as process ${machine.process.pid}`, {
    hint: "stop it first",
  });
}

/** A killed process takes as long as the host needs to take its memory back; beyond this it is stuck in the host. */
const limitMs = 20_000;

/** Post-condition: the process is gone. Idempotent. Throws `hypervisor-failed` when it survives. */
export async function endProcess(process: ProcessIdentity): Promise<void> {
  const deadline = Date.now() + limitMs;
  signalProcess(process, "SIGKILL");
  for (let waitMs = 1; isAlive(process); waitMs = Math.min(50, waitMs * 2)) {
    if (Date.now() > deadline) {
      throw new EmberError(
        "hypervisor-failed",
        `process ${process.pid} was killed but has not gone within ${limitMs / 1000} s`,
        { hint: "the host's kernel holds it: look at its log, and restart the host if it stays" },
      );
    }
    await sleep(waitMs);
  }
}
