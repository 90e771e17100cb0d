import type { EmberApi } from "../api.ts";
import type { Progress } from "../types.ts";
import type { Context } from "./context.ts";
import type { Arguments } from "./parser/arguments.ts";
import { type Format, formatFlag, quietFlag, stateDirFlag, verboseFlag } from "./parser/globals.ts";
import { renderError } from "./render/error.ts";
import { ProgressDisplay } from "./render/progress.ts";
import { renderElapsed } from "./render/quantity.ts";
import { type Look, lookOf } from "./render/style.ts";
import { printable } from "./render/text.ts";

/** What a command prints: always as JSON, and for people as text; `quiet` is the text with --quiet. */
export interface Result {
  readonly json: unknown;
  text(): string;
  quiet?(): string;
}

export interface Timed<T> {
  readonly value: T;
  /** "1.2 s" */
  readonly took: string;
}

/** Options for the library, with everything set. */
export interface RunningTaskOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

/** One run of one command: the process it runs in, its global flags, and its way to the library and to the user. */
export class Session {
  readonly context: Context;
  readonly format: Format;
  readonly quiet: boolean;
  readonly verbose: boolean;
  /** How results look. */
  readonly look: Look;
  private readonly stateDirArgument: string | undefined;
  private readonly messageLook: Look;
  private readonly progress: ProgressDisplay;
  private opened: Promise<EmberApi> | undefined;

  constructor(context: Context, args: Arguments) {
    this.context = context;
    this.format = args.get(formatFlag) ?? "table";
    this.quiet = args.get(quietFlag);
    this.verbose = args.get(verboseFlag);
    this.stateDirArgument = args.get(stateDirFlag);
    this.look = lookOf(context.stdout, context.environment);
    this.messageLook = lookOf(context.stderr, context.environment);
    const showProgress = context.stderr.isTerminal && !this.quiet && this.format === "table";
    this.progress = new ProgressDisplay(context.stderr, this.messageLook, () => context.now(), showProgress);
    context.onExit(() => this.progress.stop());
    this.signal.addEventListener("abort", () => {
      this.progress.prefix = "undoing: ";
    });
    context.interruption.onAgain(() => this.explainWaiting());
  }

  get signal(): AbortSignal {
    return this.context.interruption.signal;
  }

  /** Flag, else environment, else the platform's default. */
  async stateDir(): Promise<string> {
    return (
      this.stateDirArgument ||
      this.context.environment["EMBER_STATE_DIR"] ||
      (await this.context.defaultStateDir())
    );
  }

  /** The installation, opened when first asked for. */
  ember(): Promise<EmberApi> {
    this.opened ??= this.open();
    return this.opened;
  }

  private async open(): Promise<EmberApi> {
    const stateDir = await this.stateDir();
    return await this.context.openEmber({
      stateDir,
      notice: (line) => this.note(line),
      ...(this.verbose ? { verbose: (line: string) => this.message(line, "dim") } : {}),
    });
  }

  /** Prints a command's result to standard output. */
  result(result: Result): void {
    if (this.format === "json") this.print(`${JSON.stringify(result.json, null, 2)}\n`);
    else this.print(this.quiet && result.quiet !== undefined ? result.quiet() : result.text());
  }

  /** Writes to standard output as it is. */
  print(text: string | Uint8Array): void {
    this.progress.clear();
    this.context.stdout.write(text);
  }

  /** One value of a stream as one line of JSON. */
  printLine(value: unknown): void {
    this.print(`${JSON.stringify(value)}\n`);
  }

  /** A message for people, on standard error; not with --quiet, nor in the way of JSON. */
  note(line: string): void {
    if (!this.quiet && this.format === "table") this.message(line, undefined);
  }

  private message(line: string, style: "dim" | undefined): void {
    this.progress.clear();
    this.context.stderr.write(`${this.messageLook.paint(printable(line), style)}\n`);
  }

  /** Runs something that may take long under the progress line. `label` says what: "creating web". */
  async task<T>(label: string, action: (options: RunningTaskOptions) => Promise<T>): Promise<Timed<T>> {
    const startedAtMs = this.context.now();
    const handle = this.progress.start(label);
    try {
      const value = await action({ signal: this.signal, onProgress: (progress) => handle.update(progress) });
      return { value, took: renderElapsed(this.context.now() - startedAtMs) };
    } finally {
      handle.end();
    }
  }

  /** Tells the user about a failure; several may be told where several things were asked for. */
  reportError(error: unknown): void {
    this.progress.clear();
    this.context.stderr.write(renderError(error, this.format, this.messageLook, this.verbose));
  }

  private explainWaiting(): void {
    const doing = this.progress.describe();
    this.message(doing === "" ? "still finishing" : `still undoing: ${doing}`, undefined);
    this.message("interrupt again to leave the rest to the next command", undefined);
  }

  /** Takes the progress line away and closes the library. */
  async close(): Promise<void> {
    this.progress.stop();
    if (this.opened === undefined) return;
    let ember: EmberApi;
    try {
      ember = await this.opened;
    } catch {
      return; // it never opened, which the command has reported
    }
    await ember[Symbol.asyncDispose]();
  }
}
