import { realpathSync } from "node:fs";
import { basename } from "node:path";
import { lookUpTool } from "./tools.ts";

/**
 * The command line that makes the kernel end a tool when this process dies, whatever kills it, so that the tool does
 * not go on writing to what the next command cleans up. As it is where the host cannot do that.
 */
export function dyingWithParent(path: string, args: readonly string[]): readonly [string, readonly string[]] {
  const setpriv = lookUpTool("setpriv");
  // BusyBox has a command of that name that cannot do this.
  if (setpriv === undefined || basename(realpathSync(setpriv)) !== "setpriv") return [path, args];
  return [setpriv, ["--pdeathsig", "KILL", "--", path, ...args]];
}

/** Kills a process that leads a group of its own, and all that it started. Idempotent. */
export function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // the group is gone
  }
}
