import { EmberError } from "../errors/ember-error.ts";
import type { ExecOptions, ExecResult } from "../types.ts";
import type { AgentChannel } from "./channel.ts";
import { environmentList } from "./exec.ts";
import { quoteForShell } from "./quote.ts";
import { runSession } from "./session.ts";

/**
 * A login shell of the connection's user, or a command line that this user's login shell runs, exactly as ssh does it:
 * the line is the user's own and is not quoted. `options.user` is no part of it: the connection is the user's.
 * Throws as `execInGuest` does.
 */
export async function shellInGuest(
  agent: AgentChannel,
  commandLine: string | undefined,
  options: ExecOptions = {},
): Promise<ExecResult> {
  if (options.detach === true) throw new EmberError("usage", "a login shell cannot be detached");
  if (options.signal?.aborted) throw new EmberError("interrupted", "the shell was interrupted");
  const line = prepared(commandLine, options);
  const session =
    line === undefined ? await agent.shell(options.terminal) : await agent.exec(line, options.terminal);
  return runSession(agent, session, options);
}

/**
 * The command line with the working directory and environment that were asked for on lines of their own before it,
 * so that no operator in it can bind to them. 126 is what `exec` gives for a folder that is not there.
 */
function prepared(commandLine: string | undefined, options: ExecOptions): string | undefined {
  const variables = environmentList(options.environment ?? {});
  if (commandLine?.includes("\0")) throw new EmberError("usage", "a command line cannot hold a NUL byte");
  if (options.workdir === undefined && variables.length === 0) return commandLine;
  const lines = variables.map((variable) => `export ${exportWord(variable)}`);
  if (options.workdir !== undefined) lines.unshift(`cd -- ${quoteForShell(options.workdir)} || exit 126`);
  lines.push(commandLine ?? 'exec "$SHELL" -l');
  return lines.join("\n");
}

/** A login shell's `export` takes names of its own form only. */
function exportWord(variable: string): string {
  const name = variable.slice(0, variable.indexOf("="));
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    throw new EmberError("usage", `'${name}' cannot be a variable of a shell`);
  }
  return quoteForShell(variable);
}
