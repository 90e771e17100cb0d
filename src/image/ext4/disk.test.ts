import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { createReadStream, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { run } from "../../host/run.ts";
import { layerOf, pathsOf, treeOf } from "../layers/testing/layers.ts";
import { type WriteLayersOptions, writeLayers } from "../layers.ts";
import { bytesOf } from "../tar/bytes.ts";
import { entryOf, headerOf, paxHeader, type TarItem, tarOf } from "../tar/testing/tar-builder.ts";
import {
  checkDisk,
  noCheck,
  noMounts,
  scratchFolder,
  superblockField,
  withMounted,
} from "./testing/disks.ts";
import { readTree } from "./testing/read-tree.ts";

setDefaultTimeout(180_000); // a guard against hanging on a busy machine, no measurement

const mib = 2 ** 20;

async function write(
  target: string,
  items: readonly (TarItem | Buffer)[],
  options: Partial<WriteLayersOptions> = {},
) {
  return await writeLayers({ layers: [layerOf(tarOf(...items))], target, ...options });
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}

/** A sparse file with a block of data at every other block. */
function sparseItem(path: string, parts: number): Buffer {
  const map = Array.from({ length: parts }, (_, part) => `${part * 8192},4096`).join(",");
  const data = Buffer.concat(Array.from({ length: parts }, (_, part) => Buffer.alloc(4096, `part ${part};`)));
  return Buffer.concat([
    paxHeader("x", [
      ["GNU.sparse.size", String(parts * 8192 + 100)],
      ["GNU.sparse.numblocks", String(parts)],
      ["GNU.sparse.map", map],
      ["GNU.sparse.name", path],
    ]),
    headerOf({ path: "placeholder" }, data.length),
    data,
  ]);
}

describe.skipIf(noMounts)("what the kernel reads from a disk", () => {
  test("is what was written: sockets aside, every type, odd name and size of attribute", async () => {
    const tree = await treeOf([
      [
        { path: "empty-attribute", xattrs: { "user.empty": "", "user.b": "b" } },
        { path: "full-inode", xattrs: { "user.x": "v".repeat(68) } },
        { path: "just-too-full", xattrs: { "user.x": "v".repeat(69) } },
        { path: "full-block", xattrs: { "user.xxxx": "v".repeat(4000), "user.y": "w".repeat(40) } },
        {
          path: "elsewhere",
          xattrs: { "com.apple.quarantine": "x", "system.nfs4_acl": "y", "user.ok": "z" },
        },
        { path: "link", type: "2", link: "t", xattrs: { "user.not-on-symlinks": "x", "security.kept": "y" } },
        { path: "sixty", type: "2", link: "s".repeat(60) },
        { path: "far-future", mtime: 99_999_999_999 },
        { path: "far-past", mtime: -99_999_999_999 },
        { path: "ids", uid: 2 ** 32 - 2, gid: 65_536 },
      ],
    ]);
    const values = (path: string): unknown => tree[path]?.xattrs;
    expect(values("empty-attribute")).toEqual({ "user.empty": "0x", "user.b": "0x62" });
    expect(values("full-inode")).toEqual({ "user.x": `0x${"76".repeat(68)}` });
    expect(values("just-too-full")).toEqual({ "user.x": `0x${"76".repeat(69)}` });
    expect(values("full-block")).toEqual({
      "user.xxxx": `0x${"76".repeat(4000)}`,
      "user.y": `0x${"77".repeat(40)}`,
    });
    expect(values("elsewhere")).toEqual({ "user.ok": "0x7a" });
    expect(values("link")).toEqual({ "security.kept": "0x79" });
    expect(tree["sixty"]?.content).toBe("s".repeat(60));
    expect(tree["far-future"]?.mtime).toBe(`${2 ** 34 - 2 ** 31 - 1}000000000`);
    expect(tree["far-past"]?.mtime).toBe(`${-(2 ** 31)}000000000`);
    expect(tree["ids"]?.owner).toBe(`${2 ** 32 - 2}:65536`);
  });

  test("has holes where the archive has them, also when that takes a deep extent tree", async () => {
    using scratch = scratchFolder();
    const target = join(scratch.path, "disk");
    const tail: TarItem = { path: "after", content: "x" };
    await write(target, [sparseItem("few", 3), sparseItem("many", 300), sparseItem("deep", 3000), tail]);
    await checkDisk(target);
    await withMounted(target, "ro", async (folder) => {
      for (const [name, parts] of [
        ["few", 3],
        ["many", 300],
        ["deep", 3000],
      ] as const) {
        const facts = statSync(join(folder, name));
        expect(facts.size).toBe(parts * 8192 + 100);
        expect(facts.blocks * 512).toBeLessThan(parts * 4096 + 16 * 4096);
        const expected = Buffer.alloc(facts.size);
        for (let part = 0; part < parts; part++)
          expected.fill(`part ${part};`, part * 8192, part * 8192 + 4096);
        const hash = createHash("sha256").update(expected).digest("hex");
        expect(await digestOf(join(folder, name))).toBe(hash);
      }
    });
  });

  test("is a folder of 100,000 names, each of which is found", async () => {
    using scratch = scratchFolder();
    const target = join(scratch.path, "disk");
    const nameOf = (index: number): string => `name-${index}-é${"x".repeat(index % 50)}`;
    const entries = Array.from({ length: 100_000 }, (_, index) =>
      entryOf({ path: bytesOf(`huge/${nameOf(index)}`) }),
    );
    await write(target, entries);
    await checkDisk(target);
    await withMounted(target, "rw", async (folder) => {
      expect(readdirSync(join(folder, "huge"))).toHaveLength(100_000);
      for (let index = 0; index < 100_000; index += 7) statSync(join(folder, "huge", nameOf(index)));
      expect(statSync(join(folder, "huge", "missing"), { throwIfNoEntry: false })).toBeUndefined();
      for (let index = 0; index < 3000; index++) {
        writeFileSync(join(folder, "huge", `new-${index}`), "");
        rmSync(join(folder, "huge", nameOf(index)));
      }
    });
    await checkDisk(target);
  });

  test("is a folder of more subfolders than its link count can say, and one of a few blocks", async () => {
    using scratch = scratchFolder();
    const target = join(scratch.path, "disk");
    const folders = Array.from({ length: 65_100 }, (_, index) =>
      entryOf({ path: `many/${index}`, type: "5" }),
    );
    const few = Array.from({ length: 300 }, (_, index) => entryOf({ path: `few/${index}`, type: "5" }));
    await write(target, [...folders, ...few]);
    await checkDisk(target);
    await withMounted(target, "ro", async (folder) => {
      expect(statSync(join(folder, "many")).nlink).toBe(1);
      expect(statSync(join(folder, "few")).nlink).toBe(302);
      expect(readdirSync(join(folder, "many"))).toHaveLength(65_100);
    });
  });

  test("is a tree as deep as paths can be long, and a file of as many names as ext4 allows", async () => {
    const deep = "d/".repeat(2000);
    const tree = await treeOf([[{ path: `${deep}f`, content: "deep" }]]);
    expect(Object.keys(tree)).toHaveLength(2002);
    using scratch = scratchFolder();
    const target = join(scratch.path, "disk");
    const links = Array.from({ length: 64_999 }, (_, index) =>
      entryOf({ path: `l/${index}`, type: "1", link: "f" }),
    );
    await write(target, [{ path: "f" }, ...links]);
    await checkDisk(target);
    await expect(
      write(target, [{ path: "f" }, ...links, { path: "more", type: "1", link: "f" }]),
    ).rejects.toMatchObject({
      code: "image-invalid",
    });
  });

  test("is a file of several extents, around the copies of the superblock", async () => {
    using scratch = scratchFolder();
    const target = join(scratch.path, "disk");
    const size = 450 * mib;
    const piece = (at: number): Buffer => Buffer.alloc(mib, at % (16 * mib) === 0 ? (at / mib) % 251 : 0);
    const archive = (function* () {
      yield headerOf({ path: "zeros", claimedSize: size }, size);
      for (let at = 0; at < size; at += mib) yield piece(at);
      yield Buffer.alloc(1024);
    })();
    await writeLayers({
      target,
      layers: [{ open: async () => Readable.from(archive, { objectMode: false }) }],
    });
    expect(statSync(target).blocks * 512).toBeLessThan(60 * mib); // zeros are not written
    await checkDisk(target);
    await withMounted(target, "ro", async (folder) => {
      expect(statSync(join(folder, "zeros")).size).toBe(size);
      const hash = createHash("sha256");
      for (let at = 0; at < size; at += mib) hash.update(piece(at));
      expect(await digestOf(join(folder, "zeros"))).toBe(hash.digest("hex"));
    });
  });

  test("does not show what blocks held that a lower layer gave back", async () => {
    const junk = Array.from(
      { length: 40 },
      (_, index): TarItem => ({ path: `junk/${index}`, content: "J".repeat(9000 + index * 777) }),
    );
    const kept = Array.from(
      { length: 60 },
      (_, index): TarItem => ({
        path: `kept/${index}`,
        content: Buffer.concat([Buffer.alloc(index * 500), Buffer.from("end"), Buffer.alloc(5000)]),
      }),
    );
    const reused = await treeOf([junk, [{ path: ".wh.junk" }, ...kept, sparseItem("sparse", 5)]]);
    const fresh = await treeOf([[...kept, sparseItem("sparse", 5)]]);
    expect(reused).toEqual(fresh);
  });

  test("has room for its tables also where a layer gave a great deal back", async () => {
    using scratch = scratchFolder();
    const target = join(scratch.path, "disk");
    const layers = [[{ path: "big", content: "J".repeat(150 * mib) }], [{ path: ".wh.big" }]];
    await writeLayers({ layers: layers.map((items) => layerOf(tarOf(...items))), target });
    await checkDisk(target);
    expect(Number(await superblockField(target, "Free blocks")) * 4096).toBeGreaterThanOrEqual(64 * mib);
  });

  test("is a real tree: the host's own configuration", async () => {
    using scratch = scratchFolder();
    const archive = join(scratch.path, "tar");
    const target = join(scratch.path, "disk");
    const reference = join(scratch.path, "reference");
    const acls = ["--xattrs", "--xattrs-include=*", "--numeric-owner"];
    await run("tar", [...acls, "--format=pax", "-C", "/etc", "-cf", archive, "."], { okStatuses: [0, 1] });
    mkdirSync(reference);
    await run("tar", [...acls, "-C", reference, "-xpf", archive]);
    await writeLayers({ target, layers: [{ open: async () => createReadStream(archive) }] });
    await checkDisk(target);
    const ours = await withMounted(target, "ro", readTree);
    expect(pathsOf(ours).length).toBeGreaterThan(50);
    expect(ours).toEqual(await readTree(reference));
  });

  test("stays clean while it is written to and files come and go", async () => {
    using scratch = scratchFolder();
    const target = join(scratch.path, "disk");
    await write(
      target,
      Array.from({ length: 500 }, (_, each) => ({
        path: `d${each % 9}/f${each}`,
        content: "x".repeat(each * 30),
      })),
    );
    await withMounted(target, "rw", async (folder) => {
      rmSync(join(folder, "d1"), { recursive: true });
      mkdirSync(join(folder, "new"));
      for (let each = 0; each < 3000; each++) writeFileSync(join(folder, "new", `${each}`), "y".repeat(each));
      await run("chown", ["-R", "7:8", join(folder, "d2")]);
      await run("setfattr", ["-n", "user.grown", "-v", "z".repeat(3000), join(folder, "d3", "f3")]);
    });
    await checkDisk(target);
  });
});

describe.skipIf(noCheck)("a disk", () => {
  test("is the same, to the byte, whenever the same layers are written", async () => {
    using scratch = scratchFolder();
    const items: TarItem[] = Array.from({ length: 400 }, (_, each) => ({
      path: `d/${each}`,
      content: "x".repeat(each),
      xattrs: { "user.x": "y".repeat(each) },
    }));
    const digests: string[] = [];
    for (const name of ["a", "b"]) {
      await write(join(scratch.path, name), items);
      digests.push(await digestOf(join(scratch.path, name)));
    }
    expect(digests[0]).toBe(digests[1] ?? "");
    const other = await write(join(scratch.path, "c"), [...items, { path: "more" }]);
    expect(other.uuid).not.toBe((await write(join(scratch.path, "d"), items)).uuid);
  });

  // Pinned: it must be these bytes on every platform and runtime. Who changes what is written changes this as well.
  test("is the same, to the byte, wherever it is written", async () => {
    using scratch = scratchFolder();
    const names = Array.from(
      { length: 500 },
      (_, each): TarItem => ({ path: `many/${each}`, content: "x".repeat(each) }),
    );
    await write(join(scratch.path, "disk"), [
      { path: "etc/Name", content: "upper" },
      { path: "etc/name", content: "lower" },
      { path: "etc/link", type: "2", link: "n".repeat(80) },
      { path: "etc/again", type: "1", link: "etc/name" },
      { path: "tagged", content: "y", xattrs: { "user.x": "y".repeat(300) } },
      ...names,
    ]);
    expect(await digestOf(join(scratch.path, "disk"))).toBe(
      "77b85bba2f6b2c174379197cc2797afebf4b4e9e6b67f9874ae9da88ca0e9a92",
    );
  });

  test("has by default 64 MiB free, spare inodes, and little that is really written", async () => {
    using scratch = scratchFolder();
    const target = join(scratch.path, "disk");
    const made = await write(target, [{ path: "x", content: "x".repeat(5 * mib) }]);
    await checkDisk(target);
    expect(Number(await superblockField(target, "Free blocks")) * 4096).toBeGreaterThanOrEqual(64 * mib);
    expect(Number(await superblockField(target, "Free inodes"))).toBeGreaterThan(8000);
    expect(statSync(target).size).toBe(made.sizeBytes);
    expect(made.sizeBytes).toBeLessThan(120 * mib);
    expect(statSync(target).blocks * 512).toBeLessThan(8 * mib);
    // What is told is what the file takes up, give or take what the host's file system needs for itself.
    expect(Math.abs(made.usedBytes - statSync(target).blocks * 512)).toBeLessThan(mib / 2);
  });

  test.each([
    24, 25, 127, 128, 129, 130, 384, 385, 386, 640, 641, 1024, 2047, 2048, 2049, 2050, 4096, 65_536,
    1_048_576, 4_194_304, 8_388_608,
  ])("of %d MiB is clean", async (size) => {
    using scratch = scratchFolder();
    const target = join(scratch.path, "disk");
    const made = await write(target, [{ path: "x", content: "hello" }], { sizeBytes: size * mib });
    expect(made.sizeBytes).toBe(size * mib);
    expect(statSync(target).size).toBe(size * mib);
    if (size > 70_000) return; // e2fsck would read gigabytes of bitmaps that are all free
    await checkDisk(target);
  });

  test("of a given size refuses what does not fit, and says what would", async () => {
    using scratch = scratchFolder();
    const target = join(scratch.path, "disk");
    const content = "x".repeat(20 * mib);
    await expect(write(target, [{ path: "x", content }], { sizeBytes: 24 * mib })).rejects.toMatchObject({
      code: "disk-full",
      message: expect.stringMatching(/24M is too small .* needs [0-9.]+M/),
    });
    expect(readdirSync(scratch.path)).toEqual([]);
    await write(target, [{ path: "x", content }], { sizeBytes: 64 * mib });
    await checkDisk(target);
  });

  test("has inodes for an image of very many empty files", async () => {
    using scratch = scratchFolder();
    const target = join(scratch.path, "disk");
    const made = await write(
      target,
      Array.from({ length: 90_000 }, (_, each) => entryOf({ path: `${each % 90}/${each}` })),
    );
    await checkDisk(target);
    expect(made.inodeCount).toBeGreaterThan(90_000);
    expect(Number(await superblockField(target, "Free inodes"))).toBeGreaterThan(16_000);
  });

  test("carries the label, the UUID and the time that it is given", async () => {
    using scratch = scratchFolder();
    const target = join(scratch.path, "disk");
    const uuid = "01234567-89ab-4cde-8f01-23456789abcd";
    await write(target, [{ path: "x" }], { label: "ember-root", uuid, timestampSeconds: 1_700_000_000 });
    await checkDisk(target);
    expect(await superblockField(target, "Filesystem volume name")).toBe("ember-root");
    expect(await superblockField(target, "Filesystem UUID")).toBe(uuid);
    expect(await superblockField(target, "Filesystem created")).toContain("2023");
  });
});
