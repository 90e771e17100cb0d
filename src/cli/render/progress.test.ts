import { expect, test } from "bun:test";
import type { Output } from "../terminal/output.ts";
import { ProgressDisplay } from "./progress.ts";
import { progressLine, type RunningTask } from "./progress-line.ts";
import { partLines } from "./progress-parts.ts";
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

const layers = (count: number, done: (index: number) => number) =>
  Array.from({ length: count }, (_, index) => ({
    name: `${index}`.padStart(2, "0").repeat(6),
    done: done(index),
    total: 100,
  }));

test("parts that are under way have a line each; the others are counted", () => {
  const parts = layers(4, (index) => [100, 25, 0, 50][index] ?? 0);
  expect(partLines(parts, look, 20)).toEqual([
    "  010101010101  [####............] 25% of 100B",
    "  030303030303  [########........] 50% of 100B",
    "  1 of 4 done",
  ]);
  expect(
    partLines(
      layers(1, () => 50),
      look,
      20,
    ),
  ).toEqual([]);
});

test("many parts do not scroll the screen, and their lines fit", () => {
  const parts = layers(40, () => 50);
  expect(partLines(parts, look, 20)).toHaveLength(9);
  expect(partLines(parts, look, 20).at(-1)).toBe("  0 of 40 done, 32 more under way");
  expect(partLines(parts, look, 3)).toHaveLength(3);
  expect(partLines(parts, look, 1)).toEqual([]);
  const hostile = [{ name: "\x1b[2J".repeat(99), done: 1, total: 1e15 }, ...parts];
  for (const width of [20, 40, 80]) {
    for (const line of partLines(hostile, { ...look, width }, 20)) {
      expect([...line].length).toBeLessThan(width - 4);
      expect(line).toMatch(/^[\x20-\x7e…]*$/);
    }
  }
});

test("lines of parts are drawn over those before, and all are taken away", async () => {
  const output = recorder();
  let now = 0;
  const display = new ProgressDisplay(output, look, () => now, true);
  const handle = display.start("pulling nginx");
  handle.update({ step: "downloading", parts: layers(40, (index) => (index < 3 ? 50 : 0)) });
  now = 1000;
  await waitFor(() => output.written.length > 1);
  expect(output.written[0]?.split("\r\n")).toHaveLength(5);
  expect(output.written[1]).toStartWith("\r\x1b[4A");
  handle.update({ step: "writing" });
  await waitFor(() => output.written.at(-1)?.includes("writing") === true);
  expect(output.written.at(-1)).toStartWith("\r\x1b[4A");
  expect(output.written.at(-1)).toEndWith("\x1b[J");
  handle.update({ step: "downloading", parts: layers(40, () => 50) });
  await waitFor(() => output.written.at(-1)?.includes("downloading") === true);
  display.clear();
  expect(output.written.at(-1)).toBe("\r\x1b[9A\x1b[J");
  handle.end();
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
