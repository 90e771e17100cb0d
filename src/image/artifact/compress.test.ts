import { expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { compressChunk, decompressChunk } from "./compress.ts";

const chunk = Buffer.alloc(65536, "content");

test("a chunk comes back as it was, and the same bytes give the same blob", () => {
  const blob = compressChunk(chunk);
  expect(decompressChunk(blob, chunk.length)).toEqual(chunk);
  expect(compressChunk(chunk)).toEqual(blob);
});

test("gzip is read too", () => {
  expect(decompressChunk(gzipSync(chunk), chunk.length)).toEqual(chunk);
});

test("what is damaged, cut off, of another length, a bomb or uncompressed is refused", () => {
  const blob = compressChunk(chunk);
  const bomb = compressChunk(Buffer.alloc(64 * 1024 ** 2));
  for (const bad of [blob.subarray(0, -5), bomb, gzipSync(Buffer.alloc(1024 ** 2)), chunk, Buffer.alloc(0)]) {
    expect(() => decompressChunk(bad, chunk.length)).toThrow(
      expect.objectContaining({ code: "image-invalid" }),
    );
  }
  expect(() => decompressChunk(blob, chunk.length + 1)).toThrow("instead of");
});
