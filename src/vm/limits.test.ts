import { expect, test } from "bun:test";
import { totalmem } from "node:os";
import { checkDiskSize, checkResources, diskSizeFor } from "./limits.ts";
import { checkVmName } from "./names.ts";

const capabilities = {
  accelerators: ["tcg"],
  nics: ["socket"],
  diskFormats: ["raw"],
  guestPowerOff: "poweroff",
  agentTransport: "tcp",
  maxCpus: 8,
  locksDisks: true,
} as const;
const mib = 2 ** 20;

test("CPUs and memory must be what this host can give", () => {
  checkResources({ cpus: 8, memoryBytes: 512 * mib }, capabilities);
  for (const cpus of [0, 9, 1.5, -1, Number.NaN]) {
    expect(() => checkResources({ cpus, memoryBytes: 512 * mib }, capabilities)).toThrow("CPUs here");
  }
  for (const memoryBytes of [mib, totalmem() + mib - (totalmem() % mib), 8 * 2 ** 50]) {
    expect(() => checkResources({ cpus: 1, memoryBytes }, capabilities)).toThrow("of memory here");
  }
  expect(() => checkResources({ cpus: 1, memoryBytes: 512 * mib + 1 }, capabilities)).toThrow(
    "whole mebibytes",
  );
});

test("a disk is at least as large as what it is cloned from", () => {
  expect(diskSizeFor(undefined, 100 * mib)).toBe(8 * 1024 * mib);
  expect(diskSizeFor(undefined, 9000 * mib)).toBe(9000 * mib);
  expect(diskSizeFor(200 * mib, 100 * mib)).toBe(200 * mib);
  expect(() => diskSizeFor(50 * mib, 100 * mib)).toThrow("smaller than its source");
  expect(() => diskSizeFor(2 ** 60, 100 * mib)).toThrow("cannot have");
});

test("a disk has whole mebibytes, as many as its file system can grow to", () => {
  for (const size of [mib, 1024 * mib, 16 * 2 ** 40]) expect(() => checkDiskSize(size)).not.toThrow();
  for (const size of [
    0,
    -mib,
    mib + 512,
    16 * 2 ** 40 + mib,
    2 ** 60,
    Number.NaN,
    Number.POSITIVE_INFINITY,
  ]) {
    expect(() => checkDiskSize(size)).toThrow("a disk cannot have");
  }
});

test("a VM's name is a host name label", () => {
  for (const name of ["a", "web-1", "0", "a".repeat(63)]) expect(checkVmName(name)).toBe(name);
  for (const name of [
    "",
    "-a",
    "A",
    "a b",
    "../a",
    "a/b",
    "a.b",
    "a_b",
    "a".repeat(64),
    "a".repeat(200),
    "ä",
    "a\n",
  ]) {
    expect(() => checkVmName(name)).toThrow("cannot be a VM's name");
  }
});
