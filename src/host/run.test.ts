import { expect, test } from "bun:test";
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { skipUnless } from "../../test/support/require.ts";
import { EmberError } from "../errors/ember-error.ts";
import { identify } from "./process-identity.ts";
import { run, runStreaming } from "./run.ts";

const noSetpriv = skipUnless("setpriv", Bun.which("setpriv") !== null, "setpriv is not installed");

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

test("a contained tool takes what it started along when it is interrupted", async () => {
  const abort = new AbortController();
  let pid = 0;
  const onStdout = (chunk: Buffer): void => {
    pid = Number(chunk.toString());
    abort.abort();
  };
  const script = "sleep 600 & echo $!; wait";
  const result = run("sh", ["-c", script], { contained: true, signal: abort.signal, onStdout });
  expect(await codeOf(result)).toBe("interrupted");
  expect(await isGone(pid)).toBe(true);
});

test.skipIf(noSetpriv)("a contained tool dies with the process that ran it", async () => {
  const program = `import { run } from ${JSON.stringify(join(import.meta.dir, "run.ts"))};
    await run("sh", ["-c", "echo $$; exec sleep 600"], {
      contained: true, timeoutMs: 600_000, onStdout: (chunk) => process.stdout.write(chunk),
    });`;
  const child = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe", cwd: import.meta.dir });
  const reader = child.stdout.getReader();
  const pid = Number(new TextDecoder().decode((await reader.read()).value));
  child.kill("SIGKILL");
  expect(pid).toBeGreaterThan(1);
  expect(await isGone(pid)).toBe(true);
});

async function isGone(pid: number): Promise<boolean> {
  for (let attempt = 0; attempt < 500; attempt++) {
    if (identify(pid) === undefined) return true;
    await sleep(20);
  }
  return false;
}
