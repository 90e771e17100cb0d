import { EmberError } from "../../../errors/ember-error.ts";
import type { ExecOptions } from "../../../types.ts";
import type { Context } from "../../context.ts";
import { EscapeFilter } from "../../terminal/escape.ts";
import { withRawMode } from "../../terminal/raw-mode.ts";

export interface Streams {
  /** Hand standard input on. */
  readonly interactive: boolean;
  /** Give the guest's command a terminal. */
  readonly tty: boolean;
}

type StreamOptions = Pick<ExecOptions, "stdin" | "stdout" | "stderr" | "terminal" | "onResize" | "signal">;

/**
 * Runs something in a guest with this process's streams wired to it. With a terminal on both sides the local one is
 * raw meanwhile: every key, Ctrl-C included, goes to the guest; Enter, `~`, `.` leaves a guest that hangs.
 */
export async function withStreams<T>(
  context: Context,
  streams: Streams,
  action: (options: StreamOptions) => Promise<T>,
): Promise<T> {
  const outputs = { stdout: context.stdout.stream, stderr: context.stderr.stream };
  const signal = context.interruption.signal;
  const raw = streams.tty && streams.interactive && context.stdin.isTerminal;
  const terminal = streams.tty ? terminalOptions(context) : {};
  if (!raw) {
    const stdin = streams.interactive ? { stdin: context.stdin.stream } : {};
    return await action({ ...outputs, ...terminal, ...stdin, signal });
  }
  const leave = new AbortController();
  return await withRawMode(context, async () => {
    const keys = context.stdin.stream.pipe(new EscapeFilter(() => leave.abort(left())));
    try {
      return await action({
        ...outputs,
        ...terminal,
        stdin: keys,
        signal: AbortSignal.any([signal, leave.signal]),
      });
    } catch (error) {
      throw leave.signal.aborted ? left() : error;
    } finally {
      context.stdin.stream.unpipe(keys);
      context.stdin.stream.pause();
    }
  });
}

const left = (): EmberError => new EmberError("interrupted", "the connection was left with ~.");

function terminalOptions(context: Context): Pick<ExecOptions, "terminal" | "onResize"> {
  const size = (): { columns: number; rows: number } => ({
    columns: context.stdout.columns,
    rows: context.stdout.rows,
  });
  return {
    terminal: { ...size(), type: context.environment["TERM"] || "xterm" },
    onResize: (listener) => context.onResize(() => listener(size())),
  };
}
