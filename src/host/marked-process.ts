import { setTimeout as sleep } from "node:timers/promises";
import { findProcesses } from "#platform";
import { identify, isAlive, type ProcessIdentity, signalProcess } from "./process-identity.ts";

/**
 * The process that has a mark among its arguments. Somebody may be searching for that very mark (`grep ember-...`), so it is
 * told by another argument that all of its kind have.
 */
export function findMarked(mark: string, commonArgument: string): ProcessIdentity | undefined {
  const marked = findProcesses(mark);
  if (marked.length === 0) return undefined;
  const kind = new Set(findProcesses(commonArgument));
  for (const pid of marked) {
    const identity = kind.has(pid) ? identify(pid) : undefined;
    if (identity !== undefined) return identity;
  }
  return undefined;
}

/** Sends the signal. Post-condition: true and the process is gone, or false after `limitMs`. Idempotent. */
export async function endWith(
  process: ProcessIdentity,
  signal: NodeJS.Signals,
  limitMs: number,
): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  signalProcess(process, signal);
  for (let waitMs = 1; isAlive(process); waitMs = Math.min(50, waitMs * 2)) {
    if (performance.now() > deadline) return false;
    await sleep(waitMs);
  }
  return true;
}
