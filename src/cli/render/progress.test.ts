import { expect, test } from "bun:test";
import type { Output } from "../terminal/output.ts";
import { ProgressDisplay } from "./progress.ts";
import { progressLine, type RunningTask } from "./progress-line.ts";
import type { Look } from "./style.ts";

const look: Look = { width: 80, paint: (text) => text, unicode: true, ellipsis: "…", spinner: ["-", "+"] };

const task = (changes: Partial<RunningTask> = {}): RunningTask => ({
  label: "pulling nginx",
  startedAtMs: 0,
  progress: undefined,
  ...changes,
});

test("the line says what, which step, how far and how long", () => {
  const progress = { step: "layer 2 of 3", done: 5 * 1024 ** 2, total: 20 * 1024 ** 2 };
  expect(progressLine([task({ progress })], 0, 1234, look)).toBe(
    "- pulling nginx: layer 2 of 3  [####............] 25% of 20M  1.2 s",
  );
  expect(progressLine([task()], 1, 500, look)).toBe("+ pulling nginx  500 ms");
  const counted = { step: "cloning the disk", done: 25, total: 100, unit: "items" } as const;
  expect(progressLine([task({ label: "forking web", progress: counted })], 0, 1234, look)).toBe(
    "- forking web: cloning the disk  [####............] 25 of 100  1.2 s",
  );
});

test("the line never reaches the last column, whatever it is told", () => {
  const progress = { step: "x".repeat(300), done: 5, total: 3 };
  for (const width of [20, 40, 60, 80, 200]) {
    const line = progressLine([task({ progress })], 0, 3_600_000, { ...look, width });
    expect([...line].length).toBeLessThan(width - 4);
  }
});

test("several tasks share the line", () => {
  expect(progressLine([task(), task({ label: "starting b" })], 0, 0, look)).toContain(
    "starting b (and 1 more)",
  );
});

function recorder(): Output & { readonly written: string[] } {
  const written: string[] = [];
  return {
    written,
    isTerminal: true,
    columns: 80,
    rows: 24,
    stream: process.stderr,
    write: (text) => {
      written.push(String(text));
    },
  };
}

test("the line is taken away before anything else is written, and at the end", async () => {
  const output = recorder();
  let now = 0;
  const display = new ProgressDisplay(output, look, () => now, true);
  const handle = display.start("creating web");
  handle.update({ step: "booting" });
  now = 1000;
  await waitFor(() => output.written.length > 0);
  expect(output.written[0]).toStartWith("\r");
  expect(output.written[0]).toContain("creating web: booting");
  expect(display.describe()).toBe("creating web (booting)");
  display.prefix = "undoing: ";
  const before = output.written.length;
  await waitFor(() => output.written.length > before);
  expect(output.written.at(-1)).toContain("undoing: creating web: booting");
  display.clear();
  expect(output.written.at(-1)).toBe("\r\x1b[K");
  handle.end();
  const count = output.written.length;
  display.clear();
  expect(output.written.length).toBe(count);
});

test("nothing is drawn where it is not enabled", async () => {
  const output = recorder();
  let now = 0;
  const display = new ProgressDisplay(output, look, () => now, false);
  display.start("creating web");
  now = 10_000;
  await new Promise((resolve) => setTimeout(resolve, 250));
  display.stop();
  expect(output.written).toEqual([]);
});

async function waitFor(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}
