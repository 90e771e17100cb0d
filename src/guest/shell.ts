import { EmberError } from "../errors/ember-error.ts";
import type { ExecOptions, ExecResult } from "../types.ts";
import type { AgentChannel, AgentSession } from "./channel.ts";
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
  environmentList(options.environment ?? {}); // names are checked here, and sent as ssh sends them
  if (commandLine?.includes("\0")) throw new EmberError("usage", "a command line cannot hold a NUL byte");
  const settings = { terminal: options.terminal, environment: options.environment };
  const line = options.workdir === undefined ? commandLine : inFolder(options.workdir, commandLine);
  const start = (): Promise<AgentSession> =>
    line === undefined ? agent.shell(settings) : agent.exec(line, settings);
  return runSession(agent, start, options);
}

/**
 * The command line with the working directory on a line of its own before it, so that no operator in it can bind to
 * that. 126 is what `exec` gives for a folder that is not there.
 */
function inFolder(workdir: string, commandLine = 'exec "$SHELL" -l'): string {
  return `cd -- ${quoteForShell(workdir)} || exit 126\n${commandLine}`;
}
