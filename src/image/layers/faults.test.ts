import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { EmberError } from "../../errors/ember-error.ts";
import { run } from "../../host/run.ts";
import { checkDisk, noCheck, noMounts, scratchFolder } from "../ext4/testing/disks.ts";
import { type LayerSource, type WriteLayersOptions, writeLayers } from "../layers.ts";
import { endOfArchive, headerOf, paxHeader, type TarItem, tarOf } from "../tar/testing/tar-builder.ts";
import { layerOf } from "./testing/layers.ts";

setDefaultTimeout(120_000); // a guard against hanging on a busy machine, no measurement

const mib = 2 ** 20;

function sha256(data: Buffer): string {
  return `sha256:${createHash("sha256").update(data).digest("hex")}`;
}

/** Writes layers that must fail, and returns the error; nothing may be left where the disk was to be. */
async function failureOf(
  layers: readonly LayerSource[],
  options: Partial<WriteLayersOptions> = {},
): Promise<EmberError> {
  using scratch = scratchFolder();
  try {
    await writeLayers({ layers, target: join(scratch.path, "disk"), ...options });
  } catch (error) {
    expect(readdirSync(scratch.path)).toEqual([]);
    if (error instanceof EmberError) return error;
    throw error;
  }
  throw new Error("the layers were accepted");
}

async function refusalOf(...items: (TarItem | Buffer)[]): Promise<string> {
  const error = await failureOf([layerOf(tarOf({ path: "before", content: "x" }, ...items))]);
  expect(error.code).toBe("image-invalid");
  expect(error.message).toStartWith("layer 1 of 1: ");
  return error.message;
}

describe("a hostile layer is refused", () => {
  test("when a name or a hard link leads upwards", async () => {
    for (const path of ["../x", "a/../../x", "/..", "..", "./../x", "a/.."]) {
      expect(await refusalOf({ path })).toContain("'..'");
    }
    expect(await refusalOf({ path: "h", type: "1", link: "../../etc/passwd" })).toContain("'..'");
  });

  test("when a hard link leads nowhere, to a folder, or out of the root through a symlink", async () => {
    expect(await refusalOf({ path: "h", type: "1", link: "missing" })).toMatch(/'h'.*'missing'.*not there/);
    expect(await refusalOf({ path: "d", type: "5" }, { path: "h", type: "1", link: "d" })).toContain(
      "folder",
    );
    expect(await refusalOf({ path: "h", type: "1", link: "" })).toContain("not there");
    const up = { path: "up", type: "2", link: "/../../../../../etc" };
    expect(await refusalOf(up, { path: "h", type: "1", link: "up/passwd" })).toContain("not there");
  });

  test("when something lies in what is no folder, or symlinks never end", async () => {
    expect(await refusalOf({ path: "f" }, { path: "f/x" })).toContain("no folder");
    const loop = [
      { path: "a", type: "2", link: "b" },
      { path: "b", type: "2", link: "a" },
    ];
    expect(await refusalOf(...loop, { path: "a/x" })).toContain("symlinks");
    expect(await refusalOf({ path: "s", type: "2", link: "s/s" }, { path: "s/x" })).toContain("symlinks");
  });

  test("when names, targets, owners, devices or sizes are impossible", async () => {
    expect(await refusalOf({ path: "n".repeat(256) })).toContain("255");
    expect(await refusalOf({ path: "d/".repeat(3000) })).toContain("longer");
    expect(await refusalOf({ path: "s", type: "2", link: "" })).toContain("target");
    expect(await refusalOf({ path: "s", type: "2", link: "t".repeat(4096) })).toContain("target");
    expect(await refusalOf({ path: "u", uid: 2 ** 32 - 1 })).toContain("impossible user");
    expect(await refusalOf({ path: "u", gid: 2 ** 40 })).toContain("impossible user");
    expect(await refusalOf({ path: "c", type: "3", device: [5000, 1] })).toContain("device");
    const huge = paxHeader("x", [
      ["GNU.sparse.size", String(2 ** 50)],
      ["GNU.sparse.map", "0,1"],
    ]);
    expect(await refusalOf(huge, { path: "big", content: "x" })).toContain("larger than a file");
  });

  test("when attributes are malformed or too large", async () => {
    const acl = { "system.posix_acl_access": Buffer.of(2, 0, 0, 0, 9, 9) };
    expect(await refusalOf({ path: "a", xattrs: acl })).toMatch(/'a'.*access control/);
    expect(await refusalOf({ path: "x", xattrs: { "user.x": "v".repeat(5000) } })).toMatch(/'x'.*larger/);
    expect(await refusalOf({ path: "x", xattrs: { [`user.${"n".repeat(256)}`]: "v" } })).toContain(
      "impossible name",
    );
  });

  test("when markers make no sense, or the root or lost+found is no folder", async () => {
    for (const path of [".wh.", "d/.wh..", ".wh..."])
      expect(await refusalOf({ path })).toContain("marks nothing");
    expect(await refusalOf({ path: ".wh.d/x" })).toContain("marker");
    expect(await refusalOf({ path: "./" })).toContain("root");
    const error = await failureOf([layerOf(tarOf({ path: "lost+found" }))]);
    expect(error).toMatchObject({ code: "image-invalid", message: expect.stringContaining("lost+found") });
  });

  test("when it is damaged, cut short or something else altogether", async () => {
    const archive = tarOf({ path: "a", content: "x".repeat(5000) });
    for (const data of [
      archive.subarray(0, 3000),
      gzipSync(archive).subarray(0, -5),
      Buffer.from("{}"),
      Buffer.alloc(0),
    ]) {
      expect((await failureOf([layerOf(archive), layerOf(data)])).message).toStartWith("layer 2 of 2: ");
    }
  });

  test("shows no control characters of a name to the terminal", async () => {
    expect(await refusalOf({ path: "\x1b[2J\n/../x" })).not.toMatch(/\p{Cc}/u);
  });
});

describe("limits", () => {
  test("stop a bomb, and say which they are", async () => {
    const zeros = gzipSync(
      Buffer.concat([headerOf({ path: "z" }, 64 * mib), Buffer.alloc(64 * mib), endOfArchive]),
    );
    const bomb = await failureOf([layerOf(zeros)], { limits: { maxBytes: 10 * mib } });
    expect(bomb).toMatchObject({ code: "image-invalid", message: expect.stringContaining("maxBytes") });
    const many = tarOf(...Array.from({ length: 200 }, (_, index) => ({ path: `f${index}` })));
    const entries = await failureOf([layerOf(many), layerOf(many)], { limits: { maxEntries: 300 } });
    expect(entries.message).toMatch(/layer 2 of 2.*maxEntries/);
    const deep = tarOf(
      ...Array.from({ length: 50 }, (_, index) => ({ path: `${index}/${"d/".repeat(100)}f` })),
    );
    expect((await failureOf([layerOf(deep)], { limits: { maxEntries: 1000 } })).message).toContain(
      "maxEntries",
    );
    const names = tarOf(
      ...Array.from({ length: 50 }, (_, index) => ({ path: `${index}${"n".repeat(200)}` })),
    );
    expect((await failureOf([layerOf(names)], { limits: { maxTreeBytes: 5000 } })).message).toContain(
      "maxTreeBytes",
    );
  });
});

describe("a layer without an end is refused", () => {
  /** Blocks that go on for as long as somebody asks. */
  const endless = (...first: readonly Buffer[]): LayerSource => {
    function* blocks(): Generator<Buffer> {
      yield* first;
      for (;;) yield Buffer.alloc(64 * 1024);
    }
    return { open: async () => Readable.from(blocks(), { objectMode: false }) };
  };
  const limits = { maxBytes: 20 * mib, maxEntries: 1000 };

  test("amid a file, and behind the archive's own end", async () => {
    const file = headerOf({ path: "z" }, 2 ** 40);
    for (const layer of [endless(file), endless(tarOf({ path: "whole" }))]) {
      const error = await failureOf([layer], { limits });
      expect(error).toMatchObject({ code: "image-invalid", message: expect.stringContaining("maxBytes") });
    }
  });

  test("when its entries never end", async () => {
    function* entries(): Generator<Buffer> {
      for (let each = 0; ; each++) yield headerOf({ path: `f${each}` }, 0);
    }
    const source = { open: async () => Readable.from(entries(), { objectMode: false }) };
    expect((await failureOf([source], { limits })).message).toContain("maxEntries");
  });

  test("when few kilobytes of zstd say that they are gigabytes of zeros", async () => {
    // Each block of three bytes and one stands for 128 KiB of that byte: RFC 8878, section 3.1.1.2.2.
    const block = Buffer.alloc(4);
    block.writeUIntLE((131_072 << 3) | (1 << 1), 0, 3);
    const frame = Buffer.concat([Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0x38), ...Array(1000).fill(block)]);
    const error = await failureOf([layerOf(frame), layerOf(frame)], { limits });
    expect(error.message).toMatch(/^layer 1 of 2: /);
    expect(error.code).toBe("image-invalid");
  });
});

describe("what was promised of a layer", () => {
  const archive = tarOf({ path: "a", content: "hello" });
  const blob = gzipSync(archive);

  test.skipIf(noCheck)("is checked, to the last byte behind the archive's end", async () => {
    using scratch = scratchFolder();
    const target = join(scratch.path, "disk");
    const facts = { digest: sha256(blob), diffId: sha256(archive), sizeBytes: blob.length };
    const made = await writeLayers({ layers: [layerOf(blob, facts)], target });
    expect(made.diffIds).toEqual([sha256(archive)]);
    await checkDisk(target);
    const longer = Buffer.concat([archive, Buffer.alloc(20_000)]);
    expect((await writeLayers({ layers: [layerOf(gzipSync(longer))], target })).diffIds).toEqual([
      sha256(longer),
    ]);
  });

  test("fails on any other digest or size", async () => {
    const wrong = sha256(Buffer.from("something else"));
    for (const facts of [
      { digest: wrong },
      { diffId: wrong },
      { sizeBytes: blob.length - 1 },
      { sizeBytes: blob.length + 1 },
      { digest: "md5:00" },
      { digest: "sha256:" },
    ]) {
      expect(await failureOf([layerOf(blob, facts)])).toMatchObject({
        code: "verification-failed",
        message: expect.stringMatching(/^layer 1 of 1: /),
      });
    }
  });
});

describe("when something else goes wrong, nothing is left", () => {
  const big = tarOf({ path: "big", content: Buffer.alloc(30 * mib, "x") });

  test("the source fails", async () => {
    const broken: LayerSource = {
      open: async () =>
        Readable.from(
          (async function* () {
            yield big.subarray(0, 5 * mib);
            throw new EmberError("download-failed", "the line broke");
          })(),
          { objectMode: false },
        ),
    };
    expect((await failureOf([broken])).code).toBe("download-failed");
    const closed: LayerSource = { open: () => Promise.reject(new EmberError("registry-failed", "no")) };
    expect((await failureOf([closed])).code).toBe("registry-failed");
  });

  test("the command is interrupted, before, while reading, or while a source keeps it waiting", async () => {
    expect((await failureOf([layerOf(big)], { signal: AbortSignal.abort() })).code).toBe("interrupted");
    const many = tarOf(...Array.from({ length: 2000 }, (_, index) => ({ path: `f${index}`, content: "x" })));
    const during = new AbortController();
    const options = { signal: during.signal, onProgress: () => during.abort() };
    expect((await failureOf([layerOf(many), layerOf(many)], options)).code).toBe("interrupted");
    const waiting = new AbortController();
    const silent: LayerSource = {
      open: async () => {
        setTimeout(() => waiting.abort(), 50);
        return new Readable({ read: () => undefined });
      },
    };
    expect((await failureOf([silent], { signal: waiting.signal })).code).toBe("interrupted");
  });

  test("the target cannot be written", async () => {
    await expect(writeLayers({ layers: [layerOf(big)], target: "/nonexistent/disk" })).rejects.toMatchObject({
      code: "io-failed",
    });
  });

  test("a file that is there is replaced, and a symlink never written through", async () => {
    using scratch = scratchFolder();
    const target = join(scratch.path, "disk");
    const precious = join(scratch.path, "precious");
    writeFileSync(precious, "precious");
    symlinkSync(precious, target);
    await writeLayers({ layers: [layerOf(big)], target });
    expect(await Bun.file(precious).text()).toBe("precious");
    expect((await Bun.file(target).stat()).mode & 0o777).toBe(0o600);
  });

  test.skipIf(noMounts)("the host's disk is full", async () => {
    using scratch = scratchFolder();
    const folder = join(scratch.path, "small");
    mkdirSync(folder);
    await run("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", folder]);
    try {
      const target = join(folder, "disk");
      await expect(writeLayers({ layers: [layerOf(big)], target })).rejects.toMatchObject({
        code: "disk-full",
      });
      expect(existsSync(target)).toBe(false);
    } finally {
      await run("umount", [folder]);
    }
  });
});
