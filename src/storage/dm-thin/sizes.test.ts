import { expect, test } from "bun:test";
import { EmberError } from "../../errors/ember-error.ts";
import { blockBytes, linearTable, metadataBytes, poolTable, splitPool, thinTable } from "./sizes.ts";

const mib = 1024 ** 2;
const gib = 1024 ** 3;

test("metadata has its least size, what the kernel asks for, and its most", () => {
  expect(metadataBytes(16 * mib)).toBe(2 * mib);
  expect(metadataBytes(100 * gib)).toBe(75 * mib);
  expect(metadataBytes(100 * 1024 * gib)).toBe(16 * gib - blockBytes);
});

test("a pool's size is split without rest, in whole blocks", () => {
  for (const bytes of [16 * mib, 400 * mib, 50 * gib, 7 * gib + blockBytes]) {
    const parts = splitPool(bytes);
    expect(parts.metadataBytes + parts.dataBytes).toBe(bytes);
    expect(parts.dataBytes % blockBytes).toBe(0);
    expect(parts.metadataBytes % blockBytes).toBe(0);
  }
  expect(splitPool(gib, 9 * mib)).toEqual({ metadataBytes: 9 * mib, dataBytes: gib - 9 * mib });
});

test("sizes that no pool has are refused", () => {
  for (const bytes of [0, -gib, 16 * mib - 1, Number.NaN, 2 ** 60]) {
    expect(() => splitPool(bytes)).toThrow(EmberError);
  }
});

test("tables count in sectors, and the pool zeroes new blocks and fails writes when it is full", () => {
  expect(poolTable("/dev/loop0", "/dev/loop1", 20 * mib)).toBe(
    "0 40960 thin-pool /dev/loop0 /dev/loop1 128 16 1 error_if_no_space",
  );
  expect(poolTable("253:1", "253:2", 20 * mib + 511)).toStartWith("0 40960 ");
  expect(thinTable("/dev/mapper/pool", 7, 2 * mib)).toBe("0 4096 thin /dev/mapper/pool 7");
  expect(linearTable("8:16", mib, 2 * mib)).toBe("0 4096 linear 8:16 2048");
});
