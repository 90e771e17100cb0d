import { type ChildProcess, spawn } from "node:child_process";
import { Readable } from "node:stream";
import { EmberError } from "../errors/ember-error.ts";
import { dyingWithParent, killGroup } from "./contain.ts";
import { findTool, toolEnvironment } from "./tools.ts";

export interface RunOptions {
  /** Time limit; the tool is killed when it passes. Default 60 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  readonly cwd?: string;
  /**
   * Written to the tool's standard input, which is otherwise empty. A stream is read as fast as the tool takes it,
   * and destroyed in the end; when it fails, the tool is killed and the run throws the stream's error.
   */
  readonly input?: string | Uint8Array | Readable;
  /** Added to the tool's small environment (see `toolEnvironment`). */
  readonly env?: Readonly<Record<string, string>>;
  /** What the tool starts ends with it, and all of it with this process, whatever kills that (where the host can). */
  readonly contained?: boolean;
  /** Told the process's id, which is also its group's when it is contained, as soon as it runs. */
  readonly onStarted?: (pid: number) => void;
  /** Exit statuses that count as success. Default: only 0. */
  readonly okStatuses?: readonly number[];
  /** Receives standard output as it comes, instead of it being collected. */
  readonly onStdout?: (chunk: Buffer) => void;
  /** Receives standard error as it comes (its end is kept for the error as well). */
  readonly onStderr?: (chunk: Buffer) => void;
}

export interface RunResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a short-lived host tool to its end: arguments as an array, never through a shell.
 * Throws `tool-missing`, `tool-failed` (with the command and the end of its stderr), `timeout`, `interrupted`.
 */
export async function run(
  tool: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const stdout: Buffer[] = [];
  const child = startTool(tool, args, options);
  const onStdout = options.onStdout ?? ((chunk: Buffer) => stdout.push(chunk));
  child.stdout?.on("data", onStdout);
  const { status, stderr } = await finish(child, tool, args, options);
  return { status, stdout: Buffer.concat(stdout).toString("utf8"), stderr };
}

/** A tool whose standard output is read as a stream. `done` settles as `run` does; await it after the stream's end. */
export interface StreamingRun {
  readonly stdout: Readable;
  readonly done: Promise<void>;
}

/** Like `run`, for output that is too large to keep. The caller must read `stdout` to its end, or destroy it. */
export function runStreaming(tool: string, args: readonly string[], options: RunOptions = {}): StreamingRun {
  const child = startTool(tool, args, options);
  if (child.stdout === null) throw new EmberError("internal", `'${tool}' was started without an output`);
  const done = finish(child, tool, args, options).then(() => undefined);
  done.catch(() => undefined); // the caller awaits it later; until then a failure is not unhandled
  return { stdout: child.stdout, done };
}

function startTool(tool: string, args: readonly string[], options: RunOptions): ChildProcess {
  options.signal?.throwIfAborted();
  const path = findTool(tool);
  const [file, argv] = options.contained === true ? dyingWithParent(path, args) : [path, args];
  const child = spawn(file, [...argv], {
    cwd: options.cwd,
    env: { ...toolEnvironment(), ...options.env },
    stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    detached: options.contained === true, // a group of its own
  });
  if (child.pid !== undefined) options.onStarted?.(child.pid);
  child.stdin?.on("error", () => undefined); // the tool may end without reading its input: its status tells
  if (!(options.input instanceof Readable)) child.stdin?.end(options.input);
  return child;
}

/** Streams `input` into the tool. That the tool stops reading shows in its status; only the input's own failure counts. */
function feed(child: ChildProcess, input: Readable, onFailure: (error: Error) => void): void {
  input.on("error", onFailure);
  child.on("close", () => input.destroy());
  child.on("error", () => input.destroy());
  if (child.stdin !== null) input.pipe(child.stdin);
}

function kill(child: ChildProcess, options: RunOptions): void {
  if (options.contained === true && child.pid !== undefined) killGroup(child.pid);
  else child.kill("SIGKILL");
}

const stderrKeptBytes = 8192;

function finish(
  child: ChildProcess,
  tool: string,
  args: readonly string[],
  options: RunOptions,
): Promise<{ status: number; stderr: string }> {
  return new Promise((resolve, reject) => {
    let stderr = "";
    let reason: "timeout" | "interrupted" | undefined;
    let inputFailure: Error | undefined;
    if (options.input instanceof Readable) {
      feed(child, options.input, (error) => {
        inputFailure = error;
        kill(child, options);
      });
    }
    child.stderr?.on("data", (chunk: Buffer) => {
      stderr = (stderr + chunk.toString("utf8")).slice(-stderrKeptBytes);
      options.onStderr?.(chunk);
    });
    const stop = (why: "timeout" | "interrupted"): void => {
      reason = why;
      kill(child, options);
    };
    const timeoutMs = options.timeoutMs ?? 60_000;
    const timer = setTimeout(() => stop("timeout"), timeoutMs);
    const onAbort = (): void => stop("interrupted");
    options.signal?.addEventListener("abort", onAbort, { once: true });
    const settle = (): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
    };
    child.on("error", (error) => {
      settle();
      reject(
        new EmberError("tool-failed", `'${tool}' could not be started: ${error.message}`, { cause: error }),
      );
    });
    child.on("close", (code, signalName) => {
      settle();
      const status = code ?? 128;
      if (inputFailure !== undefined) reject(inputFailure);
      else if (reason === undefined && signalName === null && (options.okStatuses ?? [0]).includes(status)) {
        resolve({ status, stderr });
      } else {
        reject(failure(tool, args, reason ?? signalName ?? status, stderr, timeoutMs));
      }
    });
  });
}

/** Why a tool did not end well, as an error. Arguments are shown: no secret is ever passed in one. */
function failure(
  tool: string,
  args: readonly string[],
  why: string | number,
  stderr: string,
  timeoutMs: number,
): EmberError {
  const command = [tool, ...args].join(" ");
  const shown = command.length > 300 ? `${command.slice(0, 300)}...` : command;
  if (why === "interrupted") return new EmberError("interrupted", `'${tool}' was interrupted`);
  if (why === "timeout")
    return new EmberError("timeout", `'${shown}' did not end within ${timeoutMs / 1000} s`);
  const text = stderr.trim();
  const end = text.length > 600 ? `...${text.slice(-600)}` : text;
  const what = typeof why === "number" ? `exit status ${why}` : `killed by ${why}`;
  if (/no space left on device/i.test(text)) {
    return new EmberError("disk-full", `'${shown}' found no space left: ${end}`, {
      hint: "free some space, then try again",
    });
  }
  return new EmberError("tool-failed", `'${shown}' failed (${what})${end === "" ? "" : `: ${end}`}`);
}
