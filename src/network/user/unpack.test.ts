import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NetProgram } from "./binary/program.ts";
import { programPath } from "./unpack.ts";

/** `read` counts how often the whole program was read. */
function program(digit: string): NetProgram & { readonly reads: string[] } {
  const reads: string[] = [];
  const read = (): Uint8Array => {
    reads.push(digit);
    return Buffer.from(`program ${digit}`);
  };
  return { kind: "embedded", sha256: digit.repeat(64), read, reads };
}

test("a program is unpacked once, for its owner alone, and takes the place of another version", () => {
  const parent = mkdtempSync(join(tmpdir(), "ember-unpack-"));
  try {
    const folder = join(parent, "net");
    const first = program("a");
    const path = programPath(first, folder);
    expect(programPath(first, folder)).toBe(path);
    expect(first.reads).toHaveLength(1);
    expect([statSync(folder).mode & 0o777, statSync(path).mode & 0o777]).toEqual([0o700, 0o700]);
    writeFileSync(`${path}.1-2.tmp`, "left by a kill");
    const next = programPath(program("b"), folder);
    expect(readdirSync(folder).map((name) => join(folder, name))).toEqual([next]);
    expect(readFileSync(next, "utf8")).toBe("program b");
  } finally {
    rmSync(parent, { recursive: true });
  }
});

test("a program that is a file is run where it is", () => {
  expect(programPath({ kind: "file", path: "/opt/ember-net" }, "/nowhere")).toBe("/opt/ember-net");
});
