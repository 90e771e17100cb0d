import type { ClientChannel } from "ssh2";

/** Signals as POSIX numbers them on every architecture that ember runs; SSH names them without "SIG". */
const signalNumbers: Readonly<Record<string, number>> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  ABRT: 6,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
};

/**
 * A command's exit status (128 + n for signal n), once its output was read to the end and its stream is closed;
 * undefined when the stream closed without one. To be called in the very moment the stream is opened.
 */
export function exitStatusOf(stream: ClientChannel): Promise<number | undefined> {
  return new Promise((resolve) => {
    let status: number | undefined;
    stream.on("exit", (code: number | null, signalName?: string) => {
      status ??= code ?? 128 + (signalNumbers[(signalName ?? "").replace(/^SIG/, "")] ?? 0);
    });
    stream.on("close", () => resolve(status));
  });
}
