import { spawn } from "node:child_process";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EmberError } from "../errors/ember-error.ts";
import { findTool, toolEnvironment } from "./tools.ts";

export interface DetachedProcess {
  readonly pid: number;
  /** Settles when the process ends while this process still watches: its status, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

/**
 * Starts a long-lived program in a session of its own: it survives ember and its terminal. Its output goes to
 * `logPath` (made private to the owner, truncated); it has no standard input.
 * Throws `tool-missing`, `tool-failed` when it could not be started.
 */
export async function startDetached(
  tool: string,
  args: readonly string[],
  options: {
    readonly cwd: string;
    readonly logPath: string;
    /** Folder of the control group that the process is put into; undefined: it stays in its parent's. */
    readonly controlGroup?: string | undefined;
    /** File that it has as descriptor 3, to tell how its start went; made as the log is. */
    readonly reportPath?: string;
    /** Default: what host tools get. */
    readonly environment?: Readonly<Record<string, string>>;
  },
): Promise<DetachedProcess> {
  const path = findTool(tool);
  const log = openSync(options.logPath, "w", 0o600);
  const reports = options.reportPath === undefined ? [] : [openSync(options.reportPath, "w", 0o600)];
  try {
    const child = spawn(path, [...args], {
      cwd: options.cwd,
      env: { ...(options.environment ?? toolEnvironment()) },
      detached: true,
      stdio: ["ignore", log, log, ...reports],
    });
    const ended = new Promise<number | NodeJS.Signals>((resolve) => {
      child.on("exit", (code, signal) => resolve(code ?? signal ?? 1));
    });
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", (error) =>
        reject(
          new EmberError("tool-failed", `'${tool}' could not be started: ${error.message}`, { cause: error }),
        ),
      );
    });
    child.unref();
    if (options.controlGroup !== undefined) enterGroup(options.controlGroup, child.pid);
    if (child.pid === undefined) throw new EmberError("tool-failed", `'${tool}' was started without a pid`);
    return { pid: child.pid, ended };
  } finally {
    for (const file of [log, ...reports]) closeSync(file);
  }
}

/** Before it has threads and memory of note: these would stay accounted to the group that it leaves. */
function enterGroup(folder: string, pid: number | undefined): void {
  try {
    writeFileSync(join(folder, "cgroup.procs"), `${pid}`);
  } catch {
    // A VM without its limits is better than none; and a process that has ended already is told of by its caller.
  }
}
