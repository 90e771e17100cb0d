import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { EmberError } from "../errors/ember-error.ts";
import { type Compression, decompress, decompressBytes, detectCompression } from "./decompress.ts";
import { lookUpTool } from "./tools.ts";

const plain = Buffer.concat([Buffer.alloc(300_000, "kernel "), randomBytes(200_000)]);

function compress(compression: Compression): Buffer {
  if (compression === "gzip") return gzipSync(plain);
  return spawnSync(compression, ["-c", "-1"], { input: plain, maxBuffer: 1e8 }).stdout;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "none";
  } catch (error) {
    return error instanceof EmberError ? error.code : String(error);
  }
}

for (const compression of ["gzip", "xz", "zstd"] as const) {
  describe.skipIf(compression !== "gzip" && lookUpTool(compression) === undefined)(compression, () => {
    const packed = compress(compression);

    test("is recognised and unpacked", async () => {
      expect(detectCompression(packed)).toBe(compression);
      expect((await decompressBytes(packed, compression, plain.length)).equals(plain)).toBe(true);
    });

    test("cut short or damaged is said to be broken", async () => {
      const short = packed.subarray(0, packed.length - 20);
      expect(await codeOf(decompressBytes(short, compression, 1e9))).toBe("image-invalid");
      const damaged = Buffer.from(packed);
      damaged.fill(0x55, 40, 400);
      expect(await codeOf(decompressBytes(damaged, compression, 1e9))).toBe("image-invalid");
    });

    test("larger than allowed is refused", async () => {
      expect(await codeOf(decompressBytes(packed, compression, plain.length - 1))).toBe("image-invalid");
    });

    test("an input that fails hands its error on", async () => {
      const input = Readable.from(
        (async function* () {
          yield packed.subarray(0, 1000);
          throw new EmberError("download-failed", "broke off");
        })(),
      );
      const read = async (): Promise<void> => {
        for await (const _ of decompress(input, compression));
      };
      expect(await codeOf(read())).toBe("download-failed");
    });

    test("a reader that stops early stops the rest", async () => {
      const input = Readable.from([packed.subarray(0, 100_000), packed.subarray(100_000)]);
      for await (const _ of decompress(input, compression)) break;
      if (!input.destroyed) await new Promise((resolve) => input.once("close", resolve));
      expect(input.destroyed).toBe(true);
    });

    test("an abort ends it", async () => {
      const stop = new AbortController();
      const input = new Readable({ read: () => undefined }); // never ends
      input.push(packed.subarray(0, 1000));
      const reading = (async (): Promise<void> => {
        for await (const _ of decompress(input, compression, { signal: stop.signal }));
      })();
      stop.abort();
      expect(await codeOf(reading)).toBe("interrupted");
    });
  });
}

test("what has no known magic is taken as it is", async () => {
  expect(detectCompression(plain)).toBe("none");
  expect((await decompressBytes(plain, "none", plain.length)).equals(plain)).toBe(true);
});
