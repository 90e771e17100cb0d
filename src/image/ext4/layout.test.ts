import { expect, test } from "bun:test";
import { descriptorAreaFor, geometryOf } from "./layout.ts";

const blocksPerMib = 256;
const sizesMib = [24, 84, 130, 300, 1024, 70_000, 1_500_000, 12_000_000];

test("a disk of any size has a journal with which the kernel can grow it", () => {
  for (const mib of sizesMib) {
    const geometry = geometryOf(mib * blocksPerMib, 11, descriptorAreaFor(mib * 2 ** 20));
    // One transaction, at most a quarter of the journal, may touch every reserved descriptor block.
    expect((geometry?.journalBlocks ?? 0) / 4).toBeGreaterThan(
      (geometry?.reservedDescriptorBlocks ?? 0) + 64,
    );
  }
});

test("descriptors in use and in reserve fill the room that is kept for them", () => {
  for (const mib of sizesMib) {
    const area = descriptorAreaFor(mib * 2 ** 20);
    const geometry = geometryOf(mib * blocksPerMib, 11, area);
    expect((geometry?.descriptorBlocks ?? 0) + (geometry?.reservedDescriptorBlocks ?? 0)).toBe(area);
    expect(geometry?.reservedDescriptorBlocks).toBeGreaterThan(0);
  }
});

test("a last group that would hold hardly more than its superblock copy is left out", () => {
  const groups = (blocks: number): number | undefined =>
    geometryOf(blocks, 11, descriptorAreaFor(undefined))?.groups;
  expect(groups(32768 + 257 + 49)).toBe(1);
  expect(groups(32768 + 257 + 50)).toBe(2);
  expect(groups(2 * 32768 + 49)).toBe(2);
  expect(groups(2 * 32768 + 50)).toBe(3);
});
