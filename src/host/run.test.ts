import { expect, test } from "bun:test";
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { EmberError } from "../errors/ember-error.ts";
import { run, runStreaming } from "./run.ts";

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "none";
  } catch (error) {
    return error instanceof EmberError ? error.code : String(error);
  }
}

test("a stream as input reaches the tool whole", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ember-run-"));
  try {
    const bytes = Buffer.alloc(3_000_001, "ember ");
    writeFileSync(join(folder, "in"), bytes);
    const child = runStreaming("cat", [], { input: createReadStream(join(folder, "in")) });
    const parts: Buffer[] = [];
    for await (const part of child.stdout) parts.push(part);
    await child.done;
    expect(Buffer.concat(parts).equals(bytes)).toBe(true);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a tool that does not read its input may succeed", async () => {
  const input = Readable.from([Buffer.alloc(1_000_000), Buffer.alloc(1_000_000)]);
  expect((await run("true", [], { input })).status).toBe(0);
  expect(input.destroyed).toBe(true);
});

test("a tool that fails on its input reports its own failure", async () => {
  const input = Readable.from([Buffer.alloc(1_000_000)]);
  expect(await codeOf(run("false", [], { input }))).toBe("tool-failed");
});

test("an input that fails ends the tool, with the input's error", async () => {
  const input = Readable.from(
    (async function* () {
      yield Buffer.from("begin");
      throw new EmberError("download-failed", "the source broke off");
    })(),
  );
  expect(await codeOf(run("cat", [], { input }))).toBe("download-failed");
});

test("a missing file as input is that file's error, not the tool's success", async () => {
  expect(await codeOf(run("cat", [], { input: createReadStream("/nonexistent/file") }))).toContain("ENOENT");
});
