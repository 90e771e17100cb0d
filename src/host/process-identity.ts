import { bootId, processStartTime } from "#platform";

/**
 * Which process, for sure: a pid alone is reused, so it always goes with the process's start time and
 * the host's boot. `startTime` is opaque (clock ticks on Linux, a date string on macOS).
 */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: string;
  readonly bootId: string;
}

let self: ProcessIdentity | undefined;

/** The identity of this process. */
export function ownIdentity(): ProcessIdentity {
  self ??= identify(process.pid);
  if (self === undefined) throw new Error("this process cannot read its own start time");
  return self;
}

/** The identity of the process that has `pid` now; undefined when there is none (zombies count as none). */
export function identify(pid: number): ProcessIdentity | undefined {
  const startTime = processStartTime(pid);
  return startTime === undefined ? undefined : { pid, startTime, bootId: bootId() };
}

/** Whether exactly that process still runs. */
export function isAlive(identity: ProcessIdentity): boolean {
  return identity.bootId === bootId() && processStartTime(identity.pid) === identity.startTime;
}

/**
 * Sends a signal to exactly that process. Post-condition: the signal was sent, or the process is gone.
 * Idempotent. Returns whether it was alive.
 */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch {
    return false; // it went away between the two calls
  }
}
