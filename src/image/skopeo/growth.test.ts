import { afterEach, beforeEach, expect, test } from "bun:test";
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { watchGrowth } from "./growth.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ember-growth-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("a folder that goes on growing, however slowly, is left alone, and its size is told", async () => {
  const sizes: number[] = [];
  using watch = watchGrowth(folder, { stallMs: 2000, onGrowth: (bytes) => sizes.push(bytes) });
  mkdirSync(join(folder, "blobs"));
  for (let count = 0; count < 15; count++) {
    appendFileSync(join(folder, "blobs", "part"), "0123456789");
    await sleep(200);
  }
  expect(watch.signal.aborted).toBe(false);
  expect(sizes.length).toBeGreaterThan(3);
  expect(sizes).toEqual([...sizes].sort((left, right) => left - right));
}, 30_000);

test("a folder that stands still aborts", async () => {
  using watch = watchGrowth(folder, { stallMs: 300, onGrowth: () => undefined });
  while (!watch.signal.aborted) await sleep(20);
  expect(watch.signal.reason).toMatchObject({ code: "timeout" });
}, 30_000);

test("the caller's signal counts too", () => {
  const abort = new AbortController();
  using watch = watchGrowth(folder, { stallMs: 60_000, signal: abort.signal, onGrowth: () => undefined });
  abort.abort();
  expect(watch.signal.aborted).toBe(true);
});
