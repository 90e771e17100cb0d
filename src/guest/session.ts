import { EmberError } from "../errors/ember-error.ts";
import type { ExecOptions, ExecResult } from "../types.ts";
import type { AgentChannel, AgentSession } from "./channel.ts";
import { sendInput } from "./session-input.ts";
import { receiveOutput } from "./session-output.ts";

/**
 * Starts a command and sees it through: its streams, its terminal's size, its time limit, its end. It is never started
 * a second time, whatever happens: when the connection breaks, nobody knows how far it came.
 * Throws `guest-unreachable`, `guest-failed`, `timeout`, `interrupted`, `io-failed` (the caller's own stream broke); in
 * each case the command was told to end, as far as the guest can still be told.
 */
export async function runSession(
  agent: AgentChannel,
  start: () => Promise<AgentSession>,
  options: ExecOptions,
): Promise<ExecResult> {
  if (options.signal?.aborted) throw new EmberError("interrupted", "the command was interrupted");
  const brake = createBrake();
  const undo: ((() => void) | undefined)[] = [...watchLimits(options, brake.stop)];
  try {
    const session = await Promise.race([brake.attach(start()), brake.stopped]);
    const { stream } = session;
    const fail = (error: EmberError): void => brake.stop(error, "HUP");
    const ended = whenEnded(agent, session);
    ended.catch(() => undefined); // raced below, perhaps after something else has failed
    const output = receiveOutput(stream, options, fail);
    undo.push(sendInput(agent, stream, options.stdin, fail));
    undo.push(options.onResize?.((size) => stream.setWindow(size.rows, size.columns, 0, 0)));
    const exitStatus = await Promise.race([ended, brake.stopped]);
    return { exitStatus, ...(await Promise.race([output, brake.stopped])) };
  } finally {
    for (const step of undo) step?.();
  }
}

type Stop = (error: EmberError, signal: string) => void;

/** Ends a command before its time, also one whose start the agent has not answered yet. */
function createBrake(): {
  readonly stop: Stop;
  /** Rejects with the first reason that `stop` was given. */
  readonly stopped: Promise<never>;
  attach(starting: Promise<AgentSession>): Promise<AgentSession>;
} {
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  stopped.catch(() => undefined); // the caller races it
  let session: AgentSession | undefined;
  let signal: string | undefined;
  const end = (): void => {
    if (session === undefined || signal === undefined) return;
    session.stream.signal(signal);
    session.stream.close(); // the agent ends what still runs of a command whose stream closes
  };
  return {
    stopped,
    stop: (error, withSignal) => {
      if (signal !== undefined) return;
      signal = withSignal;
      end();
      reject(error);
    },
    attach: async (starting) => {
      session = await starting;
      end();
      return session;
    },
  };
}

/** Watches the time limit and the caller's signal; the functions given back end that. */
function watchLimits(options: ExecOptions, stop: Stop): readonly (() => void)[] {
  const { timeoutMs, signal } = options;
  const onLimit = (): void => {
    const limit = `the command did not end within ${(timeoutMs ?? 0) / 1000} s and was killed`;
    stop(new EmberError("timeout", limit), "KILL");
  };
  const timer = timeoutMs === undefined ? undefined : setTimeout(onLimit, timeoutMs);
  const onAbort = (): void => stop(new EmberError("interrupted", "the command was interrupted"), "TERM");
  signal?.addEventListener("abort", onAbort, { once: true });
  return [() => clearTimeout(timer), () => signal?.removeEventListener("abort", onAbort)];
}

/** The command's status once its streams are at their end as well. */
async function whenEnded(agent: AgentChannel, session: AgentSession): Promise<number> {
  const status = await session.exitStatus;
  if (status !== undefined) return status;
  const why = agent.fault?.message ?? "the agent closed the command's stream without its exit status";
  throw new EmberError("guest-unreachable", `the command's end is not known: ${why}`, {
    hint: "it may have run, in part or to its end: look in the guest before you run it again",
    cause: agent.fault,
  });
}
