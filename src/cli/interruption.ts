import { EmberError } from "../errors/ember-error.ts";

/** Why a command was asked to end early. */
export type InterruptionReason =
  | { readonly kind: "signal"; readonly name: string; readonly exitStatus: number }
  /** The reader of standard output has gone away (`ember vm list | head -1`). */
  | { readonly kind: "broken-pipe" };

/** How the outside world ends a command. */
export interface Interruption {
  /** Handed to the library, which undoes what it had begun. */
  readonly signal: AbortSignal;
  readonly reason: InterruptionReason | undefined;
  /** Called when the user asks again while the first request is still being followed. */
  onAgain(listener: () => void): void;
  /** The reader of standard output has gone. */
  breakPipe(): void;
}

const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/**
 * The first signal aborts, the second one is told to the listener, and the third ends the process at once: the
 * journal is on disk, so the next command undoes what is left.
 */
export class SignalInterruption implements Interruption {
  private readonly controller = new AbortController();
  private readonly exit: (status: number) => void;
  private again: () => void = () => undefined;
  private count = 0;
  reason: InterruptionReason | undefined;

  constructor(exit: (status: number) => void) {
    this.exit = exit;
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  onAgain(listener: () => void): void {
    this.again = listener;
  }

  breakPipe(): void {
    this.reason ??= { kind: "broken-pipe" };
    this.abort();
  }

  receive(name: keyof typeof signalNumbers): void {
    const exitStatus = 128 + signalNumbers[name];
    this.count += 1;
    if (this.count === 1) {
      this.reason = { kind: "signal", name, exitStatus };
      this.abort();
    } else if (this.count === 2) {
      this.again();
    } else {
      this.exit(exitStatus);
    }
  }

  private abort(): void {
    this.controller.abort(new EmberError("interrupted", "interrupted"));
  }
}

/** An interruption that follows this process's signals. */
export function listenForSignals(exit: (status: number) => void): SignalInterruption {
  const interruption = new SignalInterruption(exit);
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => interruption.receive(name));
  }
  return interruption;
}
