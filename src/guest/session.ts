import { EmberError } from "../errors/ember-error.ts";
import type { ExecOptions, ExecResult } from "../types.ts";
import type { AgentChannel, AgentSession } from "./channel.ts";
import { sendInput } from "./session-input.ts";
import { receiveOutput } from "./session-output.ts";

/**
 * Sees a started command through: its streams, its terminal's size, its time limit, its end. The command is never
 * started again, whatever happens: when the connection breaks, nobody knows how far it came.
 * Throws `guest-unreachable`, `timeout`, `interrupted`, `io-failed` (the caller's own stream broke); in each case the
 * command was told to end, as far as the guest can still be told.
 */
export async function runSession(
  agent: AgentChannel,
  session: AgentSession,
  options: ExecOptions,
): Promise<ExecResult> {
  const { stream } = session;
  let stop: (error: EmberError, signal: string) => void = () => undefined;
  const stopped = new Promise<never>((_, reject) => {
    let stopping = false;
    stop = (error, signal) => {
      if (stopping) return;
      stopping = true;
      stream.signal(signal);
      stream.close(); // the agent ends what still runs of the command when its stream closes
      reject(error);
    };
  });
  stopped.catch(() => undefined); // raced below
  const fail = (error: EmberError): void => stop(error, "HUP");

  const ended = whenEnded(agent, session);
  ended.catch(() => undefined); // raced below, perhaps after something else has failed
  const output = receiveOutput(stream, options, fail);
  const undo = [
    ...watchLimits(options, stop),
    sendInput(agent, stream, options.stdin, fail),
    options.onResize?.((size) => stream.setWindow(size.rows, size.columns, 0, 0)),
  ];
  try {
    const exitStatus = await Promise.race([ended, stopped]);
    return { exitStatus, ...(await Promise.race([output, stopped])) };
  } finally {
    for (const step of undo) step?.();
  }
}

/** Watches the time limit and the caller's signal; the functions given back end that. */
function watchLimits(
  options: ExecOptions,
  stop: (error: EmberError, signal: string) => void,
): readonly (() => void)[] {
  const { timeoutMs, signal } = options;
  const onLimit = (): void => {
    const limit = `the command did not end within ${(timeoutMs ?? 0) / 1000} s and was killed`;
    stop(new EmberError("timeout", limit), "KILL");
  };
  const timer = timeoutMs === undefined ? undefined : setTimeout(onLimit, timeoutMs);
  const onAbort = (): void => stop(new EmberError("interrupted", "the command was interrupted"), "TERM");
  if (signal?.aborted) onAbort();
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
