import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { skipUnless } from "../../../test/support/require.ts";
import { EmberError } from "../../errors/ember-error.ts";
import { runStreaming } from "../../host/run.ts";
import { lookUpTool } from "../../host/tools.ts";
import { openCompressed } from "./compressed.ts";
import { inChunks } from "./testing/read-all.ts";

setDefaultTimeout(120_000); // a guard against hanging on a busy machine, no measurement

const content = Buffer.from(Array.from({ length: 40_000 }, (_, line) => `line ${line * 7919}\n`).join(""));
const pieces = [1 << 20, 4099];

async function unpack(data: Buffer, chunkBytes: number): Promise<{ compression: string; content: Buffer }> {
  const opened = await openCompressed(inChunks(data, chunkBytes));
  const parts: Uint8Array[] = [];
  for await (const part of opened.content) parts.push(Buffer.from(part));
  return { compression: opened.compression, content: Buffer.concat(parts) };
}

async function expectContent(data: Buffer, compression: string, expected: Buffer): Promise<void> {
  for (const chunkBytes of pieces) {
    const found = await unpack(data, chunkBytes);
    expect(found.compression).toBe(compression);
    expect(found.content.equals(expected)).toBe(true);
  }
}

async function expectRefusal(data: Buffer): Promise<void> {
  for (const chunkBytes of pieces) {
    await expect(unpack(data, chunkBytes)).rejects.toMatchObject({ code: "image-invalid" });
  }
}

function damaged(data: Buffer, at: number): Buffer {
  const copy = Buffer.from(data);
  copy[at] = (copy[at] ?? 0) ^ 0xff;
  return copy;
}

const twice = Buffer.concat([content, content]);

test("passes on what is not compressed, however short", async () => {
  await expectContent(content, "none", content);
  for (const short of ["", "a", "abcde"]) await expectContent(Buffer.from(short), "none", Buffer.from(short));
});

test("pieces can be kept, those of the source too, unless their memory is to be given back", async () => {
  const large = Buffer.alloc(2_000_000, "some text, again and again. ");
  const packed = Buffer.from(new Uint8Array(gzipSync(large)));
  for (const transient of [false, true]) {
    const source = inChunks(packed, packed.length);
    const parts: Uint8Array[] = [];
    let length = 0;
    for await (const part of (await openCompressed(source, { transient })).content) {
      length += part.length;
      parts.push(part);
    }
    expect(length).toBe(large.length);
    const kept = parts.filter((part) => part.length > 0);
    if (transient) expect(kept.length).toBeLessThan(parts.length);
    else expect(Buffer.concat(kept).equals(large)).toBe(true);
  }
});

describe("gzip", () => {
  const packed = gzipSync(content);

  test("is unpacked, all members of it", async () => {
    await expectContent(packed, "gzip", content);
    await expectContent(Buffer.concat([packed, packed]), "gzip", twice);
    await expectContent(Buffer.concat([packed, Buffer.alloc(512)]), "gzip", content);
  });

  test("is refused when damaged or cut short", async () => {
    await expectRefusal(damaged(packed, packed.length >> 1));
    await expectRefusal(damaged(packed, packed.length - 6));
    for (const missing of [1, 9, packed.length >> 1]) await expectRefusal(packed.subarray(0, -missing));
    await expectRefusal(Buffer.concat([packed, packed]).subarray(0, -1));
  });
});

describe("zstd", () => {
  const packed = zstdCompressSync(content);
  const skippable = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);

  test("is unpacked, all frames of it, without skippable ones", async () => {
    await expectContent(packed, "zstd", content);
    await expectContent(Buffer.concat([packed, packed]), "zstd", twice);
    await expectContent(Buffer.concat([skippable, packed, skippable, packed, skippable]), "zstd", twice);
  });

  test("is refused when damaged or cut short", async () => {
    await expectRefusal(damaged(packed, packed.length >> 1));
    for (const missing of [1, 3, 40, packed.length >> 1]) await expectRefusal(packed.subarray(0, -missing));
    await expectRefusal(Buffer.concat([packed, packed]).subarray(0, -1));
    await expectRefusal(Buffer.concat([packed, Buffer.from("garbage")]));
  });
});

const noXz = skipUnless("xz", lookUpTool("xz") !== undefined, "xz data: xz is not installed");

describe.skipIf(noXz)("xz", () => {
  async function xz(): Promise<Buffer> {
    const process = runStreaming("xz", ["-c"], { input: content });
    const parts: Buffer[] = [];
    for await (const part of process.stdout) parts.push(part);
    await process.done;
    return Buffer.concat(parts);
  }

  test("is unpacked, and refused when damaged or cut short", async () => {
    const packed = await xz();
    await expectContent(packed, "xz", content);
    await expectRefusal(damaged(packed, packed.length >> 1));
    await expectRefusal(packed.subarray(0, -20));
  });

  test("passes a failure of the source on, and ends the tool", async () => {
    const packed = await xz();
    async function* failing(): AsyncGenerator<Buffer, void, undefined> {
      yield packed.subarray(0, 100);
      throw new EmberError("download-failed", "the line broke");
    }
    const opened = await openCompressed(failing());
    const read = async (): Promise<void> => {
      for await (const _ of opened.content);
    };
    await expect(read()).rejects.toMatchObject({ code: "download-failed" });
  });
});
