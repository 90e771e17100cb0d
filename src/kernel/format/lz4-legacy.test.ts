import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { unpackLz4Legacy } from "./lz4-legacy.ts";

const magic = Buffer.from([0x02, 0x21, 0x4c, 0x18]);

function archive(...blocks: number[][]): Buffer {
  const parts = blocks.map((block) => {
    const size = Buffer.alloc(4);
    size.writeUInt32LE(block.length);
    return Buffer.concat([size, Buffer.from(block)]);
  });
  return Buffer.concat([magic, ...parts]);
}

const letters = (text: string): number[] => [...Buffer.from(text)];

test("literals, a match that overlaps itself, and literals at the end", () => {
  // "ab", then 8 bytes from 2 back, then "end"
  const block = [0x24, ...letters("ab"), 2, 0, 0x30, ...letters("end")];
  expect(unpackLz4Legacy(archive(block), 13)?.toString()).toBe("ababababab" + "end");
});

test("lengths that go on in further bytes", () => {
  const text = "x".repeat(300);
  expect(unpackLz4Legacy(archive([0xf0, 255, 300 - 15 - 255, ...letters(text)]), 300)?.toString()).toBe(text);
});

test("blocks follow each other, and so do archives", () => {
  const one = archive([0x10, 0x41], [0x10, 0x42]);
  expect(unpackLz4Legacy(one, 2)?.toString()).toBe("AB");
  expect(unpackLz4Legacy(Buffer.concat([one, one]), 4)?.toString()).toBe("ABAB");
});

test("a match from before the block's beginning, or one that would not fit, is refused", () => {
  expect(unpackLz4Legacy(archive([0x14, 0x41, 2, 0, 0x10, 0x42]), 10)).toBeUndefined();
  expect(unpackLz4Legacy(archive([0x14, 0x41, 0, 0, 0x10, 0x42]), 10)).toBeUndefined();
  expect(unpackLz4Legacy(archive([0x14, 0x41, 1, 0, 0x10, 0x42]), 5)).toBeUndefined();
});

test("another size than said is refused", () => {
  expect(unpackLz4Legacy(archive([0x10, 0x41]), 2)).toBeUndefined();
  expect(unpackLz4Legacy(archive([0x20, 0x41, 0x41]), 1)).toBeUndefined();
});

test("garbage never gives a result or an exception", () => {
  for (let round = 0; round < 300; round++) {
    const bytes = Buffer.concat([magic, Buffer.from([60, 0, 0, 0]), randomBytes(60)]);
    expect(() => unpackLz4Legacy(bytes, 1000)).not.toThrow();
    expect(() => unpackLz4Legacy(randomBytes(80), 1000)).not.toThrow();
  }
});
