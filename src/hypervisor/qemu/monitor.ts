import { setTimeout as sleep } from "node:timers/promises";
import * as v from "valibot";
import { EmberError, errnoCode } from "../../errors/ember-error.ts";
import { isAlive } from "../../host/process-identity.ts";
import type { Machine } from "../hypervisor.ts";
import { monitorSocket } from "./arguments.ts";
import { type QmpSession, withQmp } from "./qmp.ts";

/** Long enough for other commands' turns at the socket, each of which takes milliseconds. */
const sessionTimeoutMs = 10_000;

/**
 * Runs `body` with a session to the machine's QEMU, or gives undefined when its process is gone, also when it goes
 * meanwhile. Throws `hypervisor-failed`, `timeout`.
 */
export async function withMonitor<T>(
  machine: Machine,
  body: (session: QmpSession) => Promise<T>,
): Promise<T | undefined> {
  const path = monitorSocket(machine.runtimeFolder, machine.vmId);
  const deadline = Date.now() + sessionTimeoutMs;
  while (isAlive(machine.process)) {
    try {
      return await withQmp(path, { timeoutMs: Math.max(1, deadline - Date.now()) }, body);
    } catch (error) {
      // A process that ends closes its socket a little before it is gone.
      await sleep(isQueueFull(error) ? 10 : 50);
      if (!isAlive(machine.process)) return undefined;
      if (!isQueueFull(error) || Date.now() > deadline) throw error;
    }
  }
  return undefined;
}

/** QEMU's queue of waiting clients has one place; the next is turned away at once (which Bun calls a refusal). */
function isQueueFull(error: unknown): boolean {
  if (!(error instanceof EmberError)) return false;
  const code = errnoCode(error.cause);
  return code === "EAGAIN" || code === "ECONNREFUSED";
}

const runState = v.object({ status: v.string(), running: v.boolean() });

/** Whether the guest's processors run. False also while QEMU holds them because the host's disk is full. */
export async function guestRuns(session: QmpSession): Promise<boolean> {
  const answer = v.safeParse(runState, await session.execute("query-status"));
  if (!answer.success)
    throw new EmberError("hypervisor-failed", "the hypervisor gave no status of the guest");
  return answer.output.running;
}
