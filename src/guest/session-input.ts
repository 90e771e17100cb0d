import type { ClientChannel } from "ssh2";
import { EmberError } from "../errors/ember-error.ts";
import type { ExecOptions } from "../types.ts";
import type { AgentChannel } from "./channel.ts";

/**
 * Feeds a command's standard input, as fast as the guest takes it, and closes it at the input's end.
 * The function given back stops reading; a stream is left paused, with what was not read still in it.
 */
export function sendInput(
  agent: AgentChannel,
  session: ClientChannel,
  input: ExecOptions["stdin"],
  fail: (error: EmberError) => void,
): () => void {
  if (input === undefined || typeof input === "string" || input instanceof Uint8Array) {
    session.end(input === undefined ? undefined : Buffer.from(input));
    return () => undefined;
  }
  const stream = input;
  const resume = (): void => {
    stream.resume();
  };
  const onData = (chunk: Buffer | string): void => {
    if (!session.writable) return;
    const ready = session.write(chunk);
    if (ready && !agent.congested) return;
    stream.pause();
    if (!ready) session.once("drain", resume);
    else void agent.drained().then(resume);
  };
  const onEnd = (): void => {
    session.end();
  };
  const onError = (error: Error): void =>
    fail(new EmberError("io-failed", `standard input could not be read: ${error.message}`, { cause: error }));
  stream.on("data", onData).on("end", onEnd).on("error", onError);
  let stopped = false;
  const stop = (): void => {
    if (stopped) return;
    stopped = true;
    stream.off("data", onData).off("end", onEnd).off("error", onError);
    session.off("drain", resume);
    stream.pause();
  };
  session.once("close", stop); // a command that has ended reads no more
  return stop;
}
