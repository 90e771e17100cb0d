import { afterEach, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServerChannel } from "ssh2";
import { EmberError } from "../errors/ember-error.ts";
import { ConsoleWatch } from "./console-watch.ts";
import { makeKeyPair } from "./keys.ts";
import { waitForAgent } from "./ready.ts";
import { startFakeAgent } from "./testing/fake-agent.ts";

const vmId = "3f9c0a1b2c4d";
const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async (): Promise<void> => {
  for (const step of cleanUps.splice(0).reverse()) await step();
});

function consoleFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "ember-ready-"));
  cleanUps.push(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "console.log");
}

async function readyAgent(answeringAs = vmId) {
  const clocks: number[] = [];
  const agent = await startFakeAgent({
    onControl: (stream: ServerChannel) => {
      stream.on("data", (chunk: Buffer) => {
        const request = JSON.parse(chunk.toString());
        clocks.push(request.params.timeMs);
        const result = { vmId: answeringAs, agentVersion: "0", mode: "none", bootMs: 1 };
        stream.write(`${JSON.stringify({ id: request.id, result })}\n`);
      });
    },
  });
  cleanUps.push(() => agent.close());
  return { agent, clocks };
}

async function failureOf(promise: Promise<unknown>): Promise<EmberError> {
  const error = await promise.then(
    () => new Error("it did not fail"),
    (reason: unknown) => reason,
  );
  if (error instanceof EmberError) return error;
  throw error;
}

const nowhere = { kind: "tcp", host: "127.0.0.1", port: 1 } as const;

test("an agent that answers is handed the host's clock", async () => {
  const { agent, clocks } = await readyAgent();
  const before = Date.now();
  const ready = await waitForAgent(agent.target, { vmId, timeoutMs: 10_000, isAlive: () => true });
  expect(ready.vmId).toBe(vmId);
  expect(clocks.length).toBe(1);
  expect(clocks[0]).toBeGreaterThanOrEqual(before);
});

test("the console's word makes it look", async () => {
  const { agent } = await readyAgent();
  const consolePath = consoleFile();
  setTimeout(() => writeFileSync(consolePath, `noise\n[    1.2] ember-guest: ready ${vmId}\n`), 30);
  const ready = await waitForAgent(agent.target, {
    vmId,
    timeoutMs: 10_000,
    isAlive: () => true,
    consolePath,
  });
  expect(ready.vmId).toBe(vmId);
});

test("a silent console does not keep it from looking", async () => {
  const { agent } = await readyAgent();
  const consolePath = consoleFile();
  await waitForAgent(agent.target, { vmId, timeoutMs: 10_000, isAlive: () => true, consolePath });
});

test("a hypervisor that is gone, an agent that gave up and time that ran out end the wait", async () => {
  const { agent } = await readyAgent();
  const target = { ...agent.target, endpoint: nowhere };
  const consolePath = consoleFile();
  const wait = { vmId, timeoutMs: 60, isAlive: () => true, consolePath };
  expect((await failureOf(waitForAgent(target, wait))).message).toContain("within 0.06 s");
  const gone = await failureOf(waitForAgent(target, { ...wait, timeoutMs: 10_000, isAlive: () => false }));
  expect(gone.message).toContain("the hypervisor ended");
  writeFileSync(consolePath, "ember-guest: fatal: no root file system\n");
  const fatal = await failureOf(waitForAgent(target, { ...wait, timeoutMs: 10_000 }));
  expect(fatal.message).toContain("gave up");
  for (const error of [gone, fatal]) expect(error.code).toBe("boot-failed");
  const stopped = waitForAgent(target, { ...wait, timeoutMs: 10_000, signal: AbortSignal.abort() });
  expect((await failureOf(stopped)).code).toBe("interrupted");
});

test("somebody else's host key ends the wait at once", async () => {
  const { agent } = await readyAgent();
  const target = { ...agent.target, hostPublicKey: makeKeyPair("").publicKey };
  const error = await failureOf(waitForAgent(target, { vmId, timeoutMs: 10_000, isAlive: () => true }));
  expect(error.message).toContain("is expected");
});

test("another VM's agent is not taken for this one's", async () => {
  const { agent } = await readyAgent("000000000000");
  const error = await failureOf(waitForAgent(agent.target, { vmId, timeoutMs: 10_000, isAlive: () => true }));
  expect(error.code).toBe("guest-failed");
  expect(error.message).toContain("000000000000");
});

test("the console is read as it grows, a sign across two reads and after a flood included", () => {
  const path = consoleFile();
  const watch = new ConsoleWatch(path, vmId);
  expect(watch.look()).toBe("none");
  writeFileSync(path, "ember-guest: ready 0000\nember-gue");
  expect(watch.look()).toBe("none");
  appendFileSync(path, `st: ready ${vmId}`);
  expect(watch.look()).toBe("ready");
  appendFileSync(path, "x".repeat(300_000));
  expect(watch.look()).toBe("ready");
  appendFileSync(path, `${"x".repeat(300_000)}\nember-guest: fatal: out of luck\n`);
  expect(watch.look()).toBe("fatal");
});
