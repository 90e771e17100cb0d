import { PassThrough, Writable } from "node:stream";
import type { Context, OpenOptions } from "../context.ts";
import { dispatch } from "../dispatch.ts";
import { SignalInterruption } from "../interruption.ts";
import type { Output } from "../terminal/output.ts";
import { type Call, type FakeParts, fakeEmber } from "./fake-ember.ts";
import { nowMs } from "./samples.ts";

export interface CliOptions extends FakeParts {
  /** Standard input and output are terminals, 80 columns wide unless said otherwise. */
  readonly terminal?: boolean;
  readonly stdinIsTerminal?: boolean;
  readonly columns?: number;
  readonly environment?: Readonly<Record<string, string>>;
  readonly stateDir?: string;
  readonly cwd?: string;
  /** Told everything that can be interfered with before the command begins. */
  readonly onStart?: (controls: Controls) => void;
  /** Called instead of waiting; resolves at once by default. */
  readonly sleep?: (milliseconds: number) => Promise<void>;
}

export interface Controls {
  readonly interruption: SignalInterruption;
  readonly stdin: PassThrough;
  resize(columns: number, rows: number): void;
}

export interface CliResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly calls: readonly Call[];
  readonly opened: readonly OpenOptions[];
  /** Every change of the terminal's raw mode. */
  readonly rawModes: readonly boolean[];
  /** Statuses that the process was told to exit with at once. */
  readonly exits: readonly number[];
}

/** Runs one command line in this process, over an installation that has nothing behind it. */
export async function runCli(argv: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const { ember, calls } = fakeEmber(options);
  const opened: OpenOptions[] = [];
  const rawModes: boolean[] = [];
  const exits: number[] = [];
  const interruption = new SignalInterruption((status) => exits.push(status));
  const size = { columns: options.columns ?? 80, rows: 24 };
  const resizeListeners = new Set<() => void>();
  const stdin = new PassThrough();
  const stdout = fakeOutput(options.terminal === true, size);
  const stderr = fakeOutput(options.terminal === true, size);
  const context: Context = {
    environment: options.environment ?? { LANG: "C.UTF-8" },
    cwd: options.cwd ?? "/work",
    homeFolder: "/home/me",
    stdin: {
      isTerminal: options.stdinIsTerminal ?? options.terminal === true,
      stream: stdin,
      setRawMode: (raw) => rawModes.push(raw),
    },
    stdout,
    stderr,
    interruption,
    now: () => nowMs,
    sleep: options.sleep ?? (async () => undefined),
    onResize: (listener) => {
      resizeListeners.add(listener);
      return () => resizeListeners.delete(listener);
    },
    onExit: () => () => undefined,
    defaultStateDir: async () => options.stateDir ?? "/nowhere",
    openEmber: async (how) => {
      opened.push(how);
      return ember;
    },
  };
  options.onStart?.({
    interruption,
    stdin,
    resize(columns, rows) {
      Object.assign(size, { columns, rows });
      for (const listener of resizeListeners) listener();
    },
  });
  const status = await dispatch(argv, context);
  return { status, stdout: stdout.text(), stderr: stderr.text(), calls, opened, rawModes, exits };
}

function fakeOutput(
  isTerminal: boolean,
  size: { readonly columns: number; readonly rows: number },
): Output & { text(): string } {
  const chunks: Buffer[] = [];
  return {
    isTerminal,
    get columns() {
      return size.columns;
    },
    get rows() {
      return size.rows;
    },
    stream: new Writable({
      write(chunk: Buffer, _encoding, done) {
        chunks.push(Buffer.from(chunk));
        done();
      },
    }),
    write: (text) => {
      chunks.push(Buffer.from(text));
    },
    text: () => Buffer.concat(chunks).toString("utf8"),
  };
}
