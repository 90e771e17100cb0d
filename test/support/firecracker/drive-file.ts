import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { findProgram } from "./programs.ts";

export const isBlockDevice = (path: string): boolean => statSync(path).isBlockDevice();

/** In bytes, also of a block device. */
export function driveSize(path: string): number {
  if (!isBlockDevice(path)) return statSync(path).size;
  const found = spawnSync(findProgram("blockdev") ?? "blockdev", ["--getsize64", path], { encoding: "utf8" });
  if (found.status !== 0) throw new Error(`blockdev failed: ${found.stderr}`);
  return Number(found.stdout);
}
