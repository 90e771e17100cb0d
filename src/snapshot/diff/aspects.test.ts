import { describe, expect, test } from "bun:test";
import { mkdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { skipUnless } from "../../../test/support/require.ts";
import { EmberError } from "../../errors/ember-error.ts";
import { run } from "../../host/run.ts";
import { lookUpTool } from "../../host/tools.ts";
import { scratchFolder } from "../../image/ext4/testing/disks.ts";
import { layerOf } from "../../image/layers/testing/layers.ts";
import { writeLayers } from "../../image/layers.ts";
import { bytesOf } from "../../image/tar/bytes.ts";
import { type TarItem, tarOf } from "../../image/tar/testing/tar-builder.ts";
import type { FileChange } from "../../types.ts";
import { diffDisks } from "./diff.ts";
import { changesOf, makeDisk, readable } from "./testing/expected.ts";

const noMke2fs = skipUnless("mke2fs", lookUpTool("mke2fs") !== undefined, "mke2fs is not installed");

/** What differs between two disks that ember wrote. */
async function changesBetween(
  before: readonly TarItem[],
  after: readonly TarItem[],
): Promise<readonly FileChange[]> {
  using folder = scratchFolder();
  const [first, second] = [join(folder.path, "before"), join(folder.path, "after")];
  await writeLayers({ layers: [layerOf(tarOf(...before))], target: first });
  await writeLayers({ layers: [layerOf(tarOf(...after))], target: second });
  return await diffDisks(readable(first, statSync(first).size), readable(second, statSync(second).size));
}

const file = (path: string, rest: Partial<TarItem> = {}): TarItem => ({ path, content: "content", ...rest });

/** Paths with what of them differs. */
const short = (changes: readonly FileChange[]): string[] =>
  changes.map(({ change, path, aspects }) => [path, change, ...aspects].join(" "));

test("everything that can differ is named, and times are not", async () => {
  const changes = await changesBetween(
    [
      file("same", { mtime: 1000 }),
      file("content"),
      file("size"),
      file("mode"),
      file("owner"),
      file("group"),
      file("xattr", { xattrs: { "user.a": "1" } }),
      file("xattr-gone", { xattrs: { "user.a": "1" } }),
      file("xattr-moved", { xattrs: { "user.a": "v".repeat(50) } }),
      { path: "link", type: "2", link: "one" },
      { path: "long-link", type: "2", link: "l".repeat(90) },
      { path: "device", type: "3", device: [1, 3] },
      { path: "device-kind", type: "3", device: [1, 3] },
      { path: "folder/", type: "5" },
      file("all", { mode: 0o644 }),
      file("removed"),
    ],
    [
      file("same", { mtime: 2000 }),
      file("content", { content: "CONTENT" }),
      file("size", { content: "contents" }),
      file("mode", { mode: 0o4755 }),
      file("owner", { uid: 100_000 }),
      file("group", { gid: 5 }),
      file("xattr", { xattrs: { "user.a": "2" } }),
      file("xattr-gone"),
      file("xattr-moved", { xattrs: { "user.a": "v".repeat(50), "user.b": "w".repeat(70) } }),
      { path: "link", type: "2", link: "two" },
      { path: "long-link", type: "2", link: `${"l".repeat(89)}m` },
      { path: "device", type: "3", device: [1, 300] },
      { path: "device-kind", type: "4", device: [1, 3] },
      { path: "folder/", type: "5", mode: 0o700 },
      file("added"),
      file("all", { mode: 0o600, uid: 1, content: "", xattrs: { "user.a": "" } }),
    ],
  );
  expect(short(changes)).toEqual([
    "/added added",
    "/all modified content mode owner xattrs",
    "/content modified content",
    "/device modified device",
    "/device-kind modified device",
    "/folder modified mode",
    "/group modified owner",
    "/link modified target",
    "/long-link modified target",
    "/mode modified mode",
    "/owner modified owner",
    "/removed removed",
    "/size modified content",
    "/xattr modified xattrs",
    "/xattr-gone modified xattrs",
    "/xattr-moved modified xattrs",
  ]);
  const sizes = changes.map(({ path, sizeBefore, sizeAfter }) => [path, sizeBefore, sizeAfter]);
  expect(sizes).toContainEqual(["/added", null, 7]);
  expect(sizes).toContainEqual(["/removed", 7, null]);
  expect(sizes).toContainEqual(["/size", 7, 8]);
  expect(sizes).toContainEqual(["/link", null, null]);
  expect(sizes).toContainEqual(["/folder", null, null]);
});

test("a path that leads to something else has another type, and what was below it is gone or new", async () => {
  const changes = await changesBetween(
    [file("a/inner/deep"), file("b"), { path: "c", type: "6" }],
    [file("a"), file("b/inner/deep"), { path: "c", type: "2", link: "b" }],
  );
  expect(changes.map(({ path, change, type, aspects }) => `${path} ${change} ${type} ${aspects}`)).toEqual([
    "/a modified file type,mode",
    "/a/inner removed directory ",
    "/a/inner/deep removed file ",
    "/b modified directory type,mode",
    "/b/inner added directory ",
    "/b/inner/deep added file ",
    "/c modified symlink type,mode",
  ]);
});

test("each name of a file is reported, also where names moved between files", async () => {
  const link = (path: string, target: string): TarItem => ({ path, type: "1", link: target });
  const one = [file("a", { content: "one" }), link("b", "a"), link("c", "a")];
  const other = [file("a", { content: "two" }), link("b", "a"), file("c", { content: "one" })];
  expect(short(await changesBetween(one, other))).toEqual(["/a modified content", "/b modified content"]);
});

test("names that are not UTF-8, or not English, are shown and compared as bytes", async () => {
  const raw = (byte: number): string => `r${String.fromCharCode(byte)}`;
  const changes = await changesBetween(
    [file(raw(0xff)), file(bytesOf("ü/ï/日本"))],
    [file(raw(0xfe)), file(bytesOf("ü/ï/日本"), { content: "other" })],
  );
  expect(short(changes)).toEqual(["/r\uFFFD added", "/r\uFFFD removed", "/ü/ï/日本 modified content"]);
});

describe.skipIf(noMke2fs)("disks of other makers", () => {
  test("may have blocks larger than the kernel here could mount", async () => {
    using folder = scratchFolder();
    const path = (name: string): string => join(folder.path, name);
    mkdirSync(path("tree/inner"), { recursive: true });
    writeFileSync(path("tree/inner/large"), Buffer.alloc(300_000, 1));
    for (let number = 0; number < 300; number += 1)
      writeFileSync(path(`tree/file-${number}`), String(number));
    await makeDisk(path("before"), 128 * 1024 ** 2, ["-t", "ext4", "-b", "65536", "-d", path("tree")]);
    writeFileSync(path("tree/inner/large"), Buffer.alloc(300_000, 2));
    writeFileSync(path("tree/inner/new"), "new");
    await makeDisk(path("after"), 128 * 1024 ** 2, ["-t", "ext4", "-b", "65536", "-d", path("tree")]);
    expect(await changesOf(path("before"), path("after"))).toEqual([
      "/inner/large modified file content",
      "/inner/new added file ",
    ]);
  });

  test("are refused by name when they are not one ext4 file system", async () => {
    using folder = scratchFolder();
    const path = (name: string): string => join(folder.path, name);
    writeFileSync(path("empty"), "");
    truncateSync(path("empty"), 1024 ** 2);
    writeFileSync(path("tiny"), "x");
    await makeDisk(path("journal"), 8 * 1024 ** 2, ["-O", "journal_dev"]);
    for (const name of ["empty", "tiny", "journal"]) {
      const fault = await changesOf(path(name), path(name)).catch((error: unknown) => error);
      expect(fault).toBeInstanceOf(EmberError);
      expect(fault).toMatchObject({ code: "unsupported" });
    }
    expect(changesOf(path("empty"), path("empty"))).rejects.toThrow(/not an ext4 file system/);
    await makeDisk(path("cut"), 8 * 1024 ** 2, ["-t", "ext4"]);
    truncateSync(path("cut"), 4 * 1024 ** 2);
    expect(await changesOf(path("cut"), path("cut")).catch((error: unknown) => error)).toMatchObject({
      code: "io-failed",
    });
  });

  test("may have grown", async () => {
    using folder = scratchFolder();
    const path = (name: string): string => join(folder.path, name);
    mkdirSync(path("tree"));
    for (let number = 0; number < 50; number += 1) writeFileSync(path(`tree/${number}`), "x".repeat(9000));
    await makeDisk(path("disk"), 24 * 1024 ** 2, [
      "-t",
      "ext4",
      "-b",
      "1024",
      "-E",
      "resize=65536",
      "-d",
      path("tree"),
    ]);
    await run("cp", [path("disk"), path("grown")]);
    for (const sizeBytes of [60 * 1024 ** 2, 12 * 1024 ** 3]) {
      truncateSync(path("grown"), sizeBytes);
      await run("e2fsck", ["-fp", path("grown")], { okStatuses: [0, 1] });
      await run("resize2fs", [path("grown")]);
      expect(await changesOf(path("disk"), path("grown"))).toEqual([]);
    }
  });

  test("are let go of when the command is interrupted", async () => {
    using folder = scratchFolder();
    const path = join(folder.path, "disk");
    await makeDisk(path, 8 * 1024 ** 2, ["-t", "ext4"]);
    const disk = readable(path, statSync(path).size);
    const fault = await diffDisks(disk, disk, AbortSignal.abort()).catch((error: unknown) => error);
    expect(fault).toMatchObject({ code: "interrupted" });
    await run("rm", ["-r", path]);
  });
});
