import { EmberError, toEmberError } from "../errors/ember-error.ts";
import { version } from "../version.ts";
import { root } from "./commands/tree.ts";
import type { Context } from "./context.ts";
import { parseArguments } from "./parser/arguments.ts";
import type { Command, Group, Leaf } from "./parser/command.ts";
import type { Format } from "./parser/globals.ts";
import { resolve } from "./parser/resolve.ts";
import { renderError } from "./render/error.ts";
import { lookOf } from "./render/style.ts";
import { Session } from "./session.ts";

/** Runs one command line to its end and gives the exit status of the process; never throws. */
export async function dispatch(argv: readonly string[], context: Context): Promise<number> {
  try {
    const words = beforeSeparator(argv);
    if (words.length === 1 && words[0] === "--version") {
      context.stdout.write(`ember ${version}\n`);
      return 0;
    }
    const { node, path, argv: rest } = resolve(root, argv);
    if (node.kind === "group" || beforeSeparator(rest).some((word) => word === "--help" || word === "-h")) {
      return await showHelp(node, path, context);
    }
    return await runCommand(path, await node.load(), rest, context);
  } catch (error) {
    // Without parsed flags: what stands on the command line decides about the form.
    const look = lookOf(context.stderr, context.environment);
    context.stderr.write(renderError(error, formatOf(argv), look, argv.includes("--verbose")));
    return toEmberError(error).exitStatus;
  }
}

async function runCommand(
  path: string,
  command: Command,
  argv: readonly string[],
  context: Context,
): Promise<number> {
  const args = parseArguments(path, command, argv);
  const session = new Session(context, args);
  try {
    const running = command.run(session, args);
    const status = await (command.readOnly === true ? orInterrupted(running, session.signal) : running);
    await session.close();
    return endStatus(context, status);
  } catch (error) {
    await closeQuietly(session);
    return reportFailure(session, command, error);
  }
}

/** The status of a command that came to its end by itself. */
function endStatus(context: Context, status: number): number {
  const reason = context.interruption.reason;
  return reason?.kind === "signal" && status === 0 ? reason.exitStatus : status;
}

/** After a signal the status is 128 + its number, as shells expect; a reader who has gone away is no failure. */
function reportFailure(session: Session, command: Command, thrown: unknown): number {
  const error = toEmberError(thrown);
  const reason = session.context.interruption.reason;
  const interrupted = error.code === "interrupted" && reason !== undefined;
  if (!interrupted) {
    session.reportError(thrown);
    return error.exitStatus;
  }
  if (reason.kind === "broken-pipe") return 0;
  if (command.readOnly !== true) session.reportError(thrown);
  return reason.exitStatus;
}

/** The failure that is already known matters more than one of closing. */
async function closeQuietly(session: Session): Promise<void> {
  try {
    await session.close();
  } catch (error) {
    if (session.verbose) session.reportError(error);
  }
}

/** Nothing needs undoing, so nobody waits for the library once the user has had enough. */
function orInterrupted<T>(running: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolvePromise, reject) => {
    const interrupted = (): void => reject(new EmberError("interrupted", "interrupted"));
    if (signal.aborted) interrupted();
    signal.addEventListener("abort", interrupted, { once: true });
    running.then(resolvePromise, reject).finally(() => signal.removeEventListener("abort", interrupted));
  });
}

async function showHelp(node: Group | Leaf, path: string, context: Context): Promise<number> {
  const { helpFor } = await import("./help/help.ts");
  context.stdout.write(await helpFor(node, path));
  return 0;
}

function beforeSeparator(argv: readonly string[]): readonly string[] {
  const separator = argv.indexOf("--");
  return separator === -1 ? argv : argv.slice(0, separator);
}

function formatOf(argv: readonly string[]): Format {
  const words = beforeSeparator(argv);
  const json = words.some(
    (word, index) => word === "--format=json" || (word === "--format" && words[index + 1] === "json"),
  );
  return json ? "json" : "table";
}
