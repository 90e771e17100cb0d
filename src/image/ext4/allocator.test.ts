import { expect, test } from "bun:test";
import { BlockAllocator, type Run } from "./allocator.ts";
import { blocksPerGroup, hasSuperblock } from "./format.ts";

const superBlocks = 257;

function overlapsSuperblock({ start, length }: Run): boolean {
  for (let group = 0; group * blocksPerGroup < start + length; group++) {
    const kept = group * blocksPerGroup;
    if (hasSuperblock(group) && start < kept + superBlocks && start + length > kept) return true;
  }
  return false;
}

test("groups 0, 1 and the powers of 3, 5 and 7 keep superblock copies", () => {
  const groups = Array.from({ length: 400 }, (_, group) => group).filter(hasSuperblock);
  expect(groups).toEqual([0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125, 243, 343]);
});

test("blocks are handed out around superblock copies, each once", () => {
  const allocator = new BlockAllocator(superBlocks);
  const runs: Run[] = [];
  for (let count = 1; count < 900; count++) runs.push(...allocator.allocate(count));
  runs.push(...allocator.allocate(5 * blocksPerGroup));
  let end = 0;
  for (const run of runs) {
    expect(run.start).toBeGreaterThanOrEqual(end);
    expect(overlapsSuperblock(run)).toBe(false);
    end = run.start + run.length;
  }
  expect(allocator.end).toBeGreaterThanOrEqual(end);
});

test("one run never spans a superblock copy, and what it passes over stays free", () => {
  const allocator = new BlockAllocator(superBlocks);
  allocator.allocate(blocksPerGroup - superBlocks - 100);
  const start = allocator.allocateFreshRun(512);
  expect(start).toBe(blocksPerGroup + superBlocks);
  expect(allocator.freeRuns()).toEqual([{ start: blocksPerGroup - 100, length: 100, fresh: true }]);
  expect(allocator.freeBlocks).toBe(100);
});

test("blocks given back are handed out again, marked as written before", () => {
  const allocator = new BlockAllocator(superBlocks);
  const [first] = allocator.allocate(10);
  const end = allocator.end;
  allocator.release({ start: first?.start ?? 0, length: 10, fresh: false });
  expect(allocator.freeBlocks).toBe(10);
  expect(allocator.allocate(7)).toEqual([{ start: first?.start ?? 0, length: 7, fresh: false }]);
  expect(allocator.allocate(3)).toEqual([{ start: (first?.start ?? 0) + 7, length: 3, fresh: false }]);
  expect(allocator.allocate(1)[0]?.start).toBe(end);
});
