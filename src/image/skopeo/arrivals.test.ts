import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { watchArrivals } from "./arrivals.ts";

let layout: string;
beforeEach(() => {
  layout = mkdtempSync(join(tmpdir(), "ember-arrivals-"));
  mkdirSync(join(layout, "blobs/sha256"), { recursive: true });
});
afterEach(() => rmSync(layout, { recursive: true }));

const layer = (letter: string, size: number) => ({ digest: `sha256:${letter.repeat(64)}`, size });
const begin = async (name: string, bytes: number): Promise<void> => {
  writeFileSync(join(layout, `oci-put-blob${name}`), Buffer.alloc(bytes));
  await sleep(5); // times of birth that differ
};
const end = (name: string, letter: string): void =>
  renameSync(join(layout, `oci-put-blob${name}`), join(layout, "blobs/sha256", letter.repeat(64)));

test("layers are shown in their order, whole ones as such, wherever they came from", async () => {
  writeFileSync(join(layout, "blobs/sha256", "b".repeat(64)), Buffer.alloc(200));
  const parts = watchArrivals(layout, [layer("a", 100), layer("b", 200), layer("c", 300), layer("a", 100)]);
  expect(parts()).toEqual([
    { name: "a".repeat(12), done: 0, total: 100 },
    { name: "b".repeat(12), done: 200, total: 200 },
    { name: "c".repeat(12), done: 0, total: 300 },
  ]);
  await begin("1", 10);
  await begin("2", 20);
  expect(parts().map(({ done }) => done)).toEqual([10, 200, 20]);
});

test("a file that turns out to be another layer, or too long for its own, is taken for that", async () => {
  const parts = watchArrivals(layout, [layer("a", 100), layer("b", 200), layer("c", 300)]);
  await begin("1", 10);
  await begin("2", 20);
  expect(parts().map(({ done }) => done)).toEqual([10, 20, 0]);
  await begin("1", 150);
  expect(parts().map(({ done }) => done)).toEqual([0, 20, 150]);
  writeFileSync(join(layout, "oci-put-blob2"), Buffer.alloc(100));
  end("2", "a");
  expect(parts().map(({ done }) => done)).toEqual([100, 0, 150]);
});

test("a layout that is not there has nothing", () => {
  expect(watchArrivals(join(layout, "none"), [layer("a", 1)])()).toMatchObject([{ done: 0 }]);
});
