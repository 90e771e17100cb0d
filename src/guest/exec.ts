import * as v from "valibot";
import { EmberError } from "../errors/ember-error.ts";
import type { ExecOptions, ExecResult } from "../types.ts";
import type { AgentChannel, AgentSession } from "./channel.ts";
import { runSession } from "./session.ts";

/**
 * Runs a command in the guest without any shell: the arguments arrive as they are. The status is the command's own:
 * 128 + n when signal n ended it, 127 when there is no such program, 126 when it cannot be run as asked.
 * With `detach` it answers with the command's pid as soon as it runs.
 * Throws `usage`, `timeout`, `interrupted`, `io-failed`, `guest-failed`, and `guest-unreachable` when the connection
 * broke: the command is then never started a second time.
 */
export async function execInGuest(
  agent: AgentChannel,
  command: readonly string[],
  options: ExecOptions = {},
): Promise<ExecResult> {
  const request = execRequest(command, options);
  const start = (): Promise<AgentSession> => agent.exec(request, { terminal: options.terminal });
  if (options.detach !== true) return runSession(agent, start, options);
  const { stdout, stderr, stdin, ...quiet } = options; // a detached command has no streams to us
  const result = await runSession(agent, start, quiet);
  if (result.exitStatus !== 0) return result;
  return { exitStatus: 0, stdout: "", stderr: "", pid: detachedPid(result.stdout) };
}

/** ember's own exec request: a NUL, which no command line can begin with, then JSON. */
function execRequest(command: readonly string[], options: ExecOptions): string {
  if (command.length === 0) throw new EmberError("usage", "there is no command to run");
  const env = environmentList(options.environment ?? {});
  for (const text of [...command, ...env, options.workdir ?? "", options.user ?? ""]) {
    if (text.includes("\0")) throw new EmberError("usage", "a command cannot hold a NUL byte");
  }
  const request = {
    argv: command,
    env,
    ...(options.workdir === undefined ? {} : { cwd: options.workdir }),
    ...(options.user === undefined ? {} : { user: options.user }),
    detach: options.detach === true,
  };
  return `\0${JSON.stringify(request)}`;
}

/** "KEY=value" lines. Throws `usage` for a name that cannot be one. */
export function environmentList(environment: Readonly<Record<string, string>>): string[] {
  return Object.entries(environment).map(([name, value]) => {
    if (name === "" || /[=\0]/.test(name)) {
      throw new EmberError("usage", `'${name}' cannot be the name of an environment variable`);
    }
    return `${name}=${value}`;
  });
}

const detachedSchema = v.object({ pid: v.pipe(v.number(), v.safeInteger(), v.minValue(1)) });

function detachedPid(answer: string): number {
  try {
    return v.parse(detachedSchema, JSON.parse(answer)).pid;
  } catch (error) {
    throw new EmberError("guest-failed", "the agent did not say which process it started", { cause: error });
  }
}
