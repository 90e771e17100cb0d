import { describe, expect, test } from "bun:test";
import { EmberError } from "../../errors/ember-error.ts";
import { TarReader } from "./reader.ts";
import { inChunks, readAll } from "./testing/read-all.ts";
import { endOfArchive, entryOf, gnuLong, headerOf, padded, paxHeader, tarOf } from "./testing/tar-builder.ts";

/** The message of the `image-invalid` error that reading the archive ends with. */
async function refusal(archive: Buffer): Promise<string> {
  for (const chunkBytes of [archive.length, 100]) {
    try {
      await readAll(archive, chunkBytes);
    } catch (error) {
      if (!(error instanceof EmberError) || error.code !== "image-invalid") throw error;
      if (chunkBytes === 100) return error.message;
    }
  }
  throw new Error("the archive was accepted");
}

describe("a tar reader", () => {
  test("reads names, attributes and contents, whatever pieces they come in", async () => {
    const archive = tarOf(
      { path: "./", type: "5", mode: 0o1777 },
      { path: "a", content: "hello", mode: 0o4755, uid: 1000, gid: 33, mtime: 1_234_567_890 },
      { path: "empty" },
      { path: "block", content: "x".repeat(512) },
      { path: "link", type: "2", link: "../a" },
      { path: "hard", type: "1", link: "a" },
      { path: "null", type: "3", device: [1, 3] },
      { path: "pipe", type: "6" },
    );
    for (const chunkBytes of [1, 511, 512, 700, 1 << 20]) {
      const entries = await readAll(archive, chunkBytes);
      expect(entries.map(({ path, kind, content }) => [path, kind, content.toString()])).toEqual([
        ["./", "folder", ""],
        ["a", "file", "hello"],
        ["empty", "file", ""],
        ["block", "file", "x".repeat(512)],
        ["link", "symlink", ""],
        ["hard", "hard-link", ""],
        ["null", "character-device", ""],
        ["pipe", "fifo", ""],
      ]);
      expect(entries[1]).toMatchObject({
        permissions: 0o4755,
        uid: 1000,
        gid: 33,
        modified: { seconds: 1_234_567_890, nanoseconds: 0 },
      });
      expect(entries[4]?.linkTarget).toBe("../a");
      expect(entries[6]).toMatchObject({ deviceMajor: 1, deviceMinor: 3 });
    }
  });

  test("passes over contents that nobody reads", async () => {
    const reader = new TarReader(
      inChunks(tarOf({ path: "a", content: "x".repeat(5000) }, { path: "b" }), 300),
    );
    expect((await reader.next())?.path).toBe("a");
    expect((await reader.next())?.path).toBe("b");
    expect(await reader.next()).toBeUndefined();
  });

  test("reads PAX records: names, targets, owners, times, sizes", async () => {
    const long = `${"d/".repeat(120)}f`;
    const [entry, link] = await readAll(
      tarOf(
        {
          path: long,
          content: "x",
          uid: 4_000_000_000,
          gid: 3_000_000_000,
          mtime: "1600000000.123456789123",
        },
        { path: "l", type: "2", link: long, mtime: "-1.25" },
      ),
    );
    expect(entry).toMatchObject({
      path: long,
      uid: 4_000_000_000,
      gid: 3_000_000_000,
      modified: { seconds: 1_600_000_000, nanoseconds: 123_456_789 },
    });
    expect(link).toMatchObject({ linkTarget: long, modified: { seconds: -2, nanoseconds: 750_000_000 } });
    const [sized] = await readAll(
      tarOf(paxHeader("x", [["size", "3"]]), headerOf({ path: "s" }, 0), padded(Buffer.from("abc"))),
    );
    expect(sized?.content.toString()).toBe("abc");
  });

  test("applies global records to all that follows, but never a name or a size", async () => {
    const entries = await readAll(
      tarOf(
        paxHeader("g", [
          ["mtime", "5.5"],
          ["path", "same"],
          ["size", "7"],
          ["comment", "x"],
        ]),
        { path: "a" },
        { path: "b", content: "bb", mtime: "7.25" },
      ),
    );
    expect(entries.map((entry) => [entry.path, entry.modified])).toEqual([
      ["a", { seconds: 5, nanoseconds: 500_000_000 }],
      ["b", { seconds: 7, nanoseconds: 250_000_000 }],
    ]);
  });

  test("reads extended attributes in both forms, as bytes", async () => {
    const capability = Uint8Array.of(1, 0, 0, 2, 0, 4, 0, 0, 0, 10, 61);
    const [entry] = await readAll(
      tarOf({
        path: "x",
        xattrs: { "security.capability": capability, "user.a=b": "" },
        pax: [
          ["LIBARCHIVE.xattr.user.%C3%BC", Buffer.from("v\0w").toString("base64")],
          ["LIBARCHIVE.xattr.security.capability", "AAAA"],
        ],
      }),
    );
    expect([...(entry?.xattrs ?? [])].map(([name, value]) => [name, value.toString("latin1")])).toEqual([
      ["security.capability", Buffer.from(capability).toString("latin1")],
      ["user.a", "b="],
      ["user.\xc3\xbc", "v\0w"],
    ]);
  });

  test("reads GNU's long names and large numbers", async () => {
    const path = "n".repeat(300);
    const target = "t".repeat(200);
    const base256 = headerOf({ path: "cut", type: "2" }, 0, (block) => {
      block.fill(0, 108, 116);
      block[108] = 0x80;
      block.writeUInt32BE(3_000_000_000, 112);
      block.fill(0xff, 136, 148); // -1
      block.write("ustar  \0", 257);
    });
    const [entry] = await readAll(tarOf(gnuLong("K", target), gnuLong("L", path), base256));
    expect(entry).toMatchObject({ path, linkTarget: target, uid: 3_000_000_000, modified: { seconds: -1 } });
  });

  test("joins ustar's prefix, but takes GNU's header for what it is", async () => {
    const withPrefix = (magic: string): Buffer =>
      headerOf({ path: "name" }, 0, (block) => {
        block.write(magic, 257);
        block.write("some/folder", 345);
      });
    const entries = await readAll(
      tarOf(withPrefix("ustar\u000000"), withPrefix("ustar  \0"), withPrefix("\0".repeat(8))),
    );
    expect(entries.map((entry) => entry.path)).toEqual(["some/folder/name", "name", "name"]);
  });

  test("takes an old header whose name ends in a slash for a folder, and accepts signed checksums", async () => {
    const old = headerOf({ path: "old/", type: "\0" }, 0);
    const signed = headerOf({ path: "\xe9\xff" }, 0);
    const sum = Number.parseInt(signed.toString("latin1", 148, 154), 8) - 2 * 256;
    signed.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    const entries = await readAll(tarOf(old, signed));
    expect(entries.map(({ path, kind }) => [path, kind])).toEqual([
      ["old/", "folder"],
      ["\xe9\xff", "file"],
    ]);
  });

  test("accepts an archive without the zero blocks at its end, and ignores what stands behind them", async () => {
    expect(await readAll(entryOf({ path: "a", content: "x" }))).toHaveLength(1);
    expect(await readAll(Buffer.concat([tarOf({ path: "a" }), Buffer.from("garbage")]))).toHaveLength(1);
    expect(await readAll(endOfArchive)).toHaveLength(0);
  });

  test("refuses what is no archive, naming the place", async () => {
    expect(await refusal(Buffer.from("<html>404</html>".repeat(64)))).toContain(
      "no valid tar header at byte 0",
    );
    expect(await refusal(Buffer.alloc(0))).toContain("empty");
    const damaged = tarOf({ path: "a" }, { path: "b" });
    damaged[513] = 0x41;
    expect(await refusal(damaged)).toContain("at byte 512");
  });

  test("refuses an archive that ends amid an entry, naming it", async () => {
    const archive = tarOf({ path: "first" }, { path: "second", content: "x".repeat(2000) });
    expect(await refusal(archive.subarray(0, 1800))).toContain("'second'");
    expect(await refusal(archive.subarray(0, 700))).toContain("ends amid");
    expect(await refusal(gnuLong("L", "x".repeat(600)).subarray(0, 1000))).toContain("ends amid");
    expect(await refusal(gnuLong("L", "x".repeat(600)))).toContain("announces another entry");
  });

  test("refuses malformed and absurd headers, naming the entry", async () => {
    const broken = (at: number, text: string): Buffer =>
      headerOf({ path: "bad" }, 0, (block) => block.write(text, at, "latin1"));
    expect(await refusal(broken(124, "99999999999\0"))).toMatch(/'bad'.*size/);
    expect(await refusal(broken(100, "xyz"))).toMatch(/'bad'.*mode/);
    expect(await refusal(broken(124, `\xff${"\xff".repeat(11)}`))).toMatch(/'bad'.*negative size/);
    expect(await refusal(broken(124, `\x80\x7f${"\xff".repeat(10)}`))).toMatch(/'bad'.*size/);
    expect(await refusal(broken(156, "Z"))).toMatch(/'bad'.*unknown type/);
    expect(await refusal(tarOf(headerOf({ path: "" }, 0)))).toContain("without a name");
    expect(await refusal(headerOf({ path: "x", type: "x", claimedSize: 1e9 }, 0))).toContain("limit");
    for (const record of ["5 a=b\n", "99 a=b\n", "6 a=b", "x a=b\n", "6 =ab\n", "3 \n", "-6 a=b\n"]) {
      expect(
        await refusal(tarOf(headerOf({ path: "x", type: "x" }, record.length), padded(Buffer.from(record)))),
      ).toContain("malformed");
    }
    expect(await refusal(tarOf({ path: "a", pax: [["path", "a\0b"]] }))).toContain("NUL");
    expect(await refusal(tarOf({ path: "a", pax: [["size", "-5"]] }))).toContain("size");
    expect(await refusal(tarOf({ path: "a", pax: [["mtime", "noon"]] }))).toContain("mtime");
  });
});
