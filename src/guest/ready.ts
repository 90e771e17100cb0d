import { setTimeout as sleep } from "node:timers/promises";
import { EmberError } from "../errors/ember-error.ts";
import type { AgentTarget } from "./channel.ts";
import { connectAgent, WrongHostKey } from "./connect.ts";
import { ConsoleWatch } from "./console-watch.ts";
import { openControl } from "./control.ts";
import type { AgentReady } from "./control-answers.ts";
import { printable } from "./printable.ts";

export interface WaitOptions {
  readonly vmId: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Whether the hypervisor still runs. */
  isAlive(): boolean;
  /** Called after an attempt that nobody answered: what leads to the guest may be broken, and mended. */
  readonly afterSilence?: () => Promise<void>;
  /** The guest's console log, where the agent says when it listens. */
  readonly consolePath?: string;
}

/** How often the console is looked at, and the hypervisor less often: that reads a file of /proc. */
const lookEveryMs = 2;
const aliveEveryMs = 100;

/**
 * Time between two attempts before the console said anything: a guest whose kernel does not write to it must be
 * found as well. A connection begun too early is worse than none: QEMU's user network accepts it at once and repeats
 * its own first packet to the guest seconds later, so each attempt is short and a new one takes its place.
 */
const blindEveryMs = 2000;
const noConsoleEveryMs = 200;

/** How long an accepted connection may stay silent; doubled with each attempt, for a host that is busy. */
const firstSilenceMs = 250;
const longestSilenceMs = 4000;

/**
 * Waits until the agent answers, and hands it the host's clock. Throws `boot-failed` as soon as the hypervisor is gone
 * or the agent gave up, and when `timeoutMs` have passed; `guest-unreachable` when another host key is shown;
 * `guest-failed` when another VM answers; `interrupted`.
 */
export async function waitForAgent(target: AgentTarget, options: WaitOptions): Promise<AgentReady> {
  warmUp();
  const watch =
    options.consolePath === undefined ? undefined : new ConsoleWatch(options.consolePath, options.vmId);
  const deadline = performance.now() + options.timeoutMs;
  const blindMs = watch === undefined ? noConsoleEveryMs : blindEveryMs;
  let silenceMs = firstSilenceMs;
  let nextAttempt = watch === undefined ? 0 : performance.now() + blindMs;
  let nextAliveCheck = 0;
  for (;;) {
    if (options.signal?.aborted) throw new EmberError("interrupted", "interrupted while the guest booted");
    const now = performance.now();
    if (now >= nextAliveCheck) {
      if (!options.isAlive())
        throw new EmberError("boot-failed", "the hypervisor ended while the guest booted");
      nextAliveCheck = now + aliveEveryMs;
    }
    const sign = watch?.look() ?? "none";
    if (sign === "fatal") throw new EmberError("boot-failed", "the agent in the guest gave up");
    if (now >= deadline) {
      const limit = `the agent did not answer within ${options.timeoutMs / 1000} s`;
      throw new EmberError("boot-failed", limit);
    }
    if (sign === "ready" || now >= nextAttempt) {
      const ready = await attempt(target, options, silenceMs, deadline - now);
      if (ready?.vmId === options.vmId) return ready;
      if (ready !== undefined) {
        throw new EmberError(
          "guest-failed",
          `the agent of VM ${printable(ready.vmId)} answers for ${options.vmId}`,
        );
      }
      await options.afterSilence?.();
      silenceMs = Math.min(silenceMs * 2, longestSilenceMs);
      nextAttempt = performance.now() + blindMs;
    }
    await sleep(lookEveryMs);
  }
}

/** Loads the protocol while the guest boots, instead of once it is up. */
function warmUp(): void {
  void import("ssh2/lib/client.js").catch(() => undefined); // the first attempt meets the same failure, and tells
}

/** One connection and one question. Undefined when the guest is not that far. */
async function attempt(
  target: AgentTarget,
  options: WaitOptions,
  firstByteTimeoutMs: number,
  leftMs: number,
): Promise<AgentReady | undefined> {
  try {
    const agent = await connectAgent(target, {
      timeoutMs: Math.max(1, Math.min(leftMs, 30_000)),
      firstByteTimeoutMs,
      signal: options.signal,
      retry: false,
    });
    try {
      const control = await openControl(agent);
      return await control.ready();
    } finally {
      agent.close();
    }
  } catch (error) {
    const final =
      !(error instanceof EmberError) || error.code === "interrupted" || error instanceof WrongHostKey;
    if (final) throw error;
    return undefined;
  }
}
