import { spawnSync } from "node:child_process";
import { toolEnvironment } from "./tools.ts";

/**
 * Standard output of a host tool that answers within milliseconds (`ps`, `sysctl`), for facts that are needed at once.
 * Empty when it failed or took longer than two seconds: the caller treats that as "not known".
 */
export function readTool(path: string, args: readonly string[]): string {
  const result = spawnSync(path, [...args], { encoding: "utf8", env: toolEnvironment(), timeout: 2000 });
  return result.status === 0 ? result.stdout : "";
}
