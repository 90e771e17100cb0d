import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Readable } from "node:stream";
import { scratchFolder } from "../ext4/testing/disks.ts";
import { type LayerSource, writeLayers } from "../layers.ts";
import { tarOf } from "../tar/testing/tar-builder.ts";

/** A promise, and how to fulfil it. */
function gate<T = void>(): { readonly passed: Promise<T>; readonly open: (value: T) => void } {
  let open: (value: T) => void = () => undefined;
  const passed = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { passed, open };
}

async function closed(stream: Readable): Promise<void> {
  if (!stream.closed) await new Promise<void>((resolve) => stream.once("close", () => resolve()));
}

const archive = tarOf({ path: "file", content: "x".repeat(100_000) });
const half = archive.length / 2;

async function write(...layers: LayerSource[]): Promise<unknown> {
  using scratch = scratchFolder();
  return await writeLayers({ layers, target: join(scratch.path, "disk") }).catch((error: unknown) => error);
}

describe("the next layer", () => {
  test("is opened, and begun to be read, while one is written", async () => {
    const begun = gate();
    async function* first(): AsyncGenerator<Buffer> {
      yield archive.subarray(0, half);
      await begun.passed; // for ever, if layers were opened one after the other
      yield archive.subarray(half);
    }
    async function* second(): AsyncGenerator<Buffer> {
      begun.open();
      yield archive;
    }
    const written = await write(
      { open: async () => Readable.from(first()) },
      { open: async () => Readable.from(second()) },
    );
    expect(written).toMatchObject({ diffIds: [expect.any(String), expect.any(String)] });
  });

  test("is let go of when the one before fails, open already or only later", async () => {
    const broken: LayerSource = { open: async () => Readable.from([Buffer.alloc(4096, 1)]) };
    const early = Readable.from([archive]);
    const failure = { message: expect.stringContaining("layer 1 of 2") };
    expect(await write(broken, { open: async () => early })).toMatchObject(failure);
    await closed(early);

    const late = gate<Readable>();
    expect(await write(broken, { open: () => late.passed })).toMatchObject(failure);
    const stream = Readable.from([archive]);
    late.open(stream);
    await closed(stream);
  });

  test("that cannot be opened is named by its own number, once those before are written", async () => {
    const sound: LayerSource = { open: async () => Readable.from([archive]) };
    const damaged: LayerSource = { open: async () => Readable.from([Buffer.from([0x1f, 0x8b, 8, 1, 2, 3])]) };
    expect(await write(sound, damaged, sound)).toMatchObject({
      code: "image-invalid",
      message: expect.stringContaining("layer 2 of 3"),
    });
  });
});
