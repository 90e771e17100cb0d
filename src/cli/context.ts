import { existsSync } from "node:fs";
import type { EmberApi } from "../api.ts";
import { type Interruption, listenForSignals } from "./interruption.ts";
import { createInput, type Input } from "./terminal/input.ts";
import { createOutput, type Output } from "./terminal/output.ts";

export interface OpenOptions {
  readonly stateDir: string;
  readonly verbose?: (line: string) => void;
  /** Receives what a user should be told once, such as that this host emulates. */
  readonly notice?: (line: string) => void;
}

/** Everything that a command knows of the process it runs in. Tests hand in another one. */
export interface Context {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly homeFolder: string;
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly interruption: Interruption;
  /** Milliseconds since 1970. */
  now(): number;
  /** Ends early, without an error, when the signal aborts. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
  /** Calls the listener when the terminal changes its size; returns how to stop that. */
  onResize(listener: () => void): () => void;
  /** Calls the listener when the process exits, whatever the reason; returns how to stop that. */
  onExit(listener: () => void): () => void;
  /** Where state lives when neither flag nor environment says so. */
  defaultStateDir(): Promise<string>;
  openEmber(options: OpenOptions): Promise<EmberApi>;
}

/** The real one. `close` waits until everything that was written has left the process. */
export function createContext(): Context & { close(): Promise<void> } {
  const environment = process.env;
  const interruption = listenForSignals((status) => process.exit(status));
  let usesStream = false;
  const stdout = createOutput(
    1,
    () => {
      usesStream = true;
      return process.stdout;
    },
    () => interruption.breakPipe(),
  );
  return {
    environment,
    cwd: process.cwd(),
    homeFolder: environment["HOME"] || "/",
    stdin: createInput(() => process.stdin),
    stdout,
    // Nobody reads the messages any more: that is no reason to stop working.
    stderr: createOutput(
      2,
      () => process.stderr,
      () => undefined,
    ),
    interruption,
    now: () => Date.now(),
    sleep,
    onResize(listener) {
      process.stdout.on("resize", listener);
      return () => process.stdout.off("resize", listener);
    },
    onExit(listener) {
      process.once("exit", listener);
      return () => process.off("exit", listener);
    },
    async defaultStateDir() {
      const { defaultStateDir } = await import("#platform");
      return defaultStateDir(environment);
    },
    async openEmber(options) {
      const { Ember } = await import("../ember.ts");
      const wish = environment["EMBER_FAULT"];
      const fault = wish === undefined ? {} : (await import("./fault.ts")).faultObserver(wish);
      return await Ember.open({ ...options, ...fault, environment, program: program() });
    },
    async close() {
      if (usesStream) await drained(process.stdout);
    },
  };
}

/** How this program is called again: by itself when compiled, else by the runtime with the script. */
function program(): readonly string[] {
  const script = process.argv[1] ?? "";
  // A compiled program's script is a file inside it, which exists for itself alone.
  const onDisk = !script.startsWith("/$bunfs/") && existsSync(script);
  return onDisk ? [process.execPath, script] : [process.execPath];
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, milliseconds);
    signal.addEventListener("abort", finish);
  });
}

function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || !stream.writable) return resolve();
    stream.once("error", () => resolve());
    stream.write("", () => resolve());
  });
}
