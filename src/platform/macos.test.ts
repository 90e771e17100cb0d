import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { processStartTime } from "./macos.ts";

// `ps` is much the same on Linux.

test("processes are told apart by their start, asked for one by one or many at once", async () => {
  const children = [1, 2, 3].map(() => spawn("sleep", ["60"]));
  const pids = children.map(({ pid }) => pid ?? 0);
  const first = pids.map(processStartTime);
  for (const start of first) expect(start).toMatch(/^\w{3} \w{3} +\d+ \d\d:\d\d:\d\d \d{4}$/);
  expect(pids.map(processStartTime)).toEqual(first);
  const young = spawn("sleep", ["60"]); // after the list was taken
  expect(processStartTime(young.pid ?? 0)).toBeDefined();
  for (const child of [...children, young]) {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  await Bun.sleep(60);
  for (const pid of pids) expect(processStartTime(pid)).toBeUndefined();
});

test("what never was has no start", () => {
  expect(processStartTime(4_194_303)).toBeUndefined();
});
