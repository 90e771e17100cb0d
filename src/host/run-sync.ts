import { spawnSync } from "node:child_process";
import { lookUpTool, toolEnvironment } from "./tools.ts";

/**
 * Standard output of a host tool that answers within milliseconds (`ps`, `sysctl`), for facts that are needed at once.
 * Empty when it failed or took longer than two seconds: the caller treats that as "not known".
 */
export function readTool(path: string, args: readonly string[]): string {
  const result = spawnSync(path, [...args], { encoding: "utf8", env: toolEnvironment(), timeout: 2000 });
  return result.status === 0 ? result.stdout : "";
}

/** Runs a host tool and waits for it, whatever comes of it: for what must be gone before the caller goes on. Nothing when it is not installed. */
export function runToolNow(tool: string, args: readonly string[], timeoutMs: number): void {
  const path = lookUpTool(tool);
  if (path === undefined) return;
  spawnSync(path, [...args], { stdio: "ignore", env: toolEnvironment(), timeout: timeoutMs });
}
