import { readFileSync, realpathSync, statSync } from "node:fs";
import { fileSystemNumber } from "./mounts.ts";

/**
 * Whether a hypervisor has the file open: QEMU holds locks on it, which the kernel lists. A safety net under the
 * callers' own knowledge: where the kernel has no such list it says no.
 */
export function isLocked(path: string): boolean {
  let locks: string;
  try {
    locks = readFileSync("/proc/locks", "utf8");
  } catch {
    return false; // not every host has it
  }
  const number = fileSystemNumber(realpathSync(path));
  if (number === undefined) return false;
  const [major = "", minor = ""] = number.split(":");
  const hex = (part: string): string => Number(part).toString(16).padStart(2, "0");
  return locks.includes(` ${hex(major)}:${hex(minor)}:${statSync(path, { bigint: true }).ino} `);
}
