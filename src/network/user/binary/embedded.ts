import { readFileSync } from "node:fs";
import digestPath from "#net-digest" with { type: "file" };
// Which of the four binaries this is, package.json decides by the condition that the build names.
import path from "#net-file" with { type: "file" };
import type { NetProgram } from "./program.ts";

/** The ember-net inside this executable. */
export function netProgram(): NetProgram {
  return { kind: "embedded", sha256: readFileSync(digestPath, "utf8"), read: () => readFileSync(path) };
}
