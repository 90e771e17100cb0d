import { expect, test } from "bun:test";
import { coveredBytes, Placed, whoseBytes } from "./accounting.ts";
import { Ranges, totalBytes, union } from "./sweep.ts";

/** A disk whose extents are given as [start, length], those that are shared first. */
function disk(shared: readonly [number, number][], unshared: readonly [number, number][] = []): Placed {
  const placed = new Placed();
  for (const [start, length] of shared) placed.shared.add(start, length);
  for (const [start, length] of unshared) placed.unshared.add(start, length);
  return placed;
}

test("ranges in any order, that touch, overlap or lie in each other, cover each byte once", () => {
  const ranges = new Ranges();
  for (const [start, length] of [
    [50, 10],
    [0, 10],
    [10, 5],
    [12, 10],
    [52, 2],
    [50, 10],
  ] as const) {
    ranges.add(start, length);
  }
  const covered = union([ranges]);
  expect([...covered.starts]).toEqual([0, 50]);
  expect([...covered.ends]).toEqual([22, 60]);
  expect(totalBytes(covered)).toBe(32);
  expect(totalBytes(union([]))).toBe(0);
});

test("a byte is a disk's own when no other refers to it, whatever the file system still calls shared", () => {
  const image = disk([[0, 100]]);
  const clone = disk(
    [
      [0, 40],
      [60, 40],
    ],
    [[200, 20]],
  );
  const { exclusiveBytes, groupBytes } = whoseBytes([[image], [clone]], true);
  expect(exclusiveBytes).toEqual([20, 20]);
  expect(groupBytes).toEqual([20, 20]);
  expect([image.referencedBytes, clone.referencedBytes]).toEqual([100, 100]);
  expect(coveredBytes([image, clone])).toBe(120);
});

test("among others' files, what is called shared is nobody's own", () => {
  const { exclusiveBytes } = whoseBytes([[disk([[0, 100]], [[100, 10]])], [disk([[0, 40]])]], false);
  expect(exclusiveBytes).toEqual([10, 0]);
});

test("a VM and its snapshots free what only they share, and nothing that others share with one of them", () => {
  const image = disk([[0, 100]]);
  const vm = disk(
    [
      [0, 50],
      [300, 10],
    ],
    [[200, 5]],
  );
  const snapshot = disk([
    [0, 50],
    [300, 10],
    [400, 7],
  ]);
  for (const [alone, vmGroup] of [
    [true, 22],
    [false, 15], // the 7 may be somebody else's as well
  ] as const) {
    const { exclusiveBytes, groupBytes } = whoseBytes([[image], [vm, snapshot]], alone);
    expect(exclusiveBytes).toEqual(alone ? [50, 5, 7] : [0, 5, 0]);
    expect(groupBytes).toEqual([alone ? 50 : 0, vmGroup]);
  }
});

test("what has no place yet counts, and an empty disk takes nothing", () => {
  const young = disk([], [[0, 10]]);
  young.nowhereBytes = 5;
  expect(young.referencedBytes).toBe(15);
  expect(whoseBytes([[young], [disk([])]], true).exclusiveBytes).toEqual([15, 0]);
  expect(whoseBytes([], true)).toEqual({ exclusiveBytes: [], groupBytes: [] });
});
