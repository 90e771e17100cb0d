import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { setToolEnvironment } from "../../src/host/tools.ts";
import { Bench } from "./helper.ts";

setToolEnvironment(process.env);

const bench = new Bench();
const state = bench.path("state");
let savedAt = 0;

beforeAll(async () => {
  await bench.prepare("i=0; while :; do i=$((i + 1)); echo count $i; sleep 0.1; done");
}, 120_000);
afterAll(() => bench[Symbol.dispose]());

describe("the state of a machine", () => {
  test("is saved while it is paused, and it goes on", async () => {
    await using machine = await bench.run("first");
    expect(machine.said.state).toBe("running");
    await machine.until(() => machine.counted().length > 3);
    expect(await machine.ask("save", state)).toMatchObject({ code: "refused", hint: "pause it first" });
    expect(await machine.ask("pause")).toMatchObject({ state: "paused" });
    savedAt = machine.counted().at(-1) ?? 0;
    expect(await machine.ask("save", state)).toMatchObject({ state: "paused" });
    expect(await machine.ask("resume")).toMatchObject({ state: "running" });
    await machine.until(() => (machine.counted().at(-1) ?? 0) > savedAt + 2);
  }, 60_000);

  test("is gone on from by another, which boots nothing", async () => {
    await using machine = await bench.run("second", "--restore", state);
    expect(machine.said.state).toBe("running");
    await machine.until(() => machine.counted().length > 3);
    const [first = 0] = machine.counted();
    expect(first).toBeGreaterThanOrEqual(savedAt);
    expect(first).toBeLessThan(savedAt + 5);
  }, 60_000);

  test("is restored on command into a machine that waits, and into no other", async () => {
    await using machine = await bench.run("third", "--wait");
    expect(machine.said.state).toBe("stopped");
    expect(await machine.ask("restore")).toMatchObject({ code: "usage" });
    expect(await machine.ask("restore", state)).toMatchObject({ state: "paused" });
    expect(await machine.ask("resume")).toMatchObject({ state: "running" });
    await machine.until(() => machine.counted().length > 1);
    expect(await machine.ask("restore", state)).toMatchObject({ code: "refused" });
  }, 60_000);

  test("does not fit a machine of another kind, whose start says so", async () => {
    await using machine = await bench.run("fourth", "--restore", state, "--memory", "320");
    expect(machine.said.state).toBe("failed");
    expect(machine.said.message).toContain("did not go on from");
  }, 60_000);

  test("cannot be saved of a machine that does not support it, and that is said", async () => {
    await using machine = await bench.run("fifth", "--vsock", bench.path("vsock"));
    expect(await machine.ask("pause")).toMatchObject({ state: "paused" });
    expect(await machine.ask("save", bench.path("none"))).toMatchObject({ code: "unsupported" });
    expect(await machine.ask("resume")).toMatchObject({ state: "running" });
  }, 60_000);
});

test("a machine that waits starts on command", async () => {
  await using machine = await bench.run("sixth", "--wait");
  expect(await machine.ask("start")).toMatchObject({ state: "running" });
  await machine.until(() => machine.counted()[0] === 1);
}, 60_000);
