import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { noMounts } from "./ext4/testing/disks.ts";
import { pathsOf, treeOf } from "./layers/testing/layers.ts";
import type { TarItem } from "./tar/testing/tar-builder.ts";

setDefaultTimeout(120_000); // a guard against hanging on a busy machine, no measurement

const folder = (path: string, mode = 0o755): TarItem => ({ path, type: "5", mode });
const file = (path: string, content = path): TarItem => ({ path, content });
const symlink = (path: string, link: string): TarItem => ({ path, type: "2", link });
const hardLink = (path: string, link: string): TarItem => ({ path, type: "1", link });

async function pathsAfter(...layers: TarItem[][]): Promise<string[]> {
  return pathsOf(await treeOf(layers));
}

describe.skipIf(noMounts)("layers laid over each other", () => {
  test("take ./x, /x and x for the same name, and make missing parents 0755, root's", async () => {
    const tree = await treeOf([[file("./a/b/c"), file("/a/b/d"), file("a//b/./e"), file("a/b/c", "again")]], {
      timestampSeconds: 1_700_000_000,
    });
    expect(pathsOf(tree)).toEqual(["a/", "a/b/", "a/b/c", "a/b/d", "a/b/e"]);
    expect(tree["a/b"]).toMatchObject({ mode: "755", owner: "0:0", mtime: "1700000000000000000" });
    expect(tree["a/b/c"]?.content).toStartWith("5 "); // the last one wins
  });

  test("keep a folder's content under a folder, and replace its attributes", async () => {
    const tree = await treeOf([
      [{ path: "d", type: "5", mode: 0o700, uid: 1, xattrs: { "user.old": "1" } }, file("d/a")],
      [{ path: "d", type: "5", mode: 0o1777, gid: 2, mtime: 5 }, file("d/b")],
    ]);
    expect(pathsOf(tree)).toEqual(["d/", "d/a", "d/b"]);
    expect(tree["d"]).toMatchObject({ mode: "1777", owner: "0:2", mtime: "5000000000", xattrs: {} });
  });

  test("replace whatever changes its type", async () => {
    const tree = await treeOf([
      [folder("a"), file("a/x"), file("b"), symlink("c", "a"), folder("d"), file("d/x"), symlink("e", "a")],
      [file("a"), folder("b"), folder("c"), symlink("d", "b"), file("e")],
    ]);
    expect(pathsOf(tree)).toEqual(["a", "b/", "c/", "d", "e"]);
    expect(tree["d"]?.kind).toBe("symlink");
  });

  test("let a marker hide a name of lower layers only, wherever it stands", async () => {
    const lower = [file("f"), folder("d", 0o700), file("d/x"), folder("d/s"), file("d/s/y"), file("keep")];
    expect(await pathsAfter(lower, [file(".wh.f"), file(".wh.d")])).toEqual(["keep"]);
    expect(await pathsAfter(lower, [file("f", "new"), file(".wh.f")])).toEqual([
      "d/",
      "d/s/",
      "d/s/y",
      "d/x",
      "f",
      "keep",
    ]);
    for (const layer of [
      [file(".wh.d"), folder("d"), file("d/new")],
      [folder("d"), file("d/new"), file(".wh.d")],
      [folder("d"), file(".wh.d"), file("d/new")],
    ]) {
      expect(await pathsAfter(lower, layer)).toEqual(["d/", "d/new", "f", "keep"]);
    }
    // Nothing describes the folder any more, so that it is as if made anew: whichever came first.
    for (const layer of [
      [file(".wh.d"), file("d/new")],
      [file("d/new"), file(".wh.d")],
    ]) {
      expect((await treeOf([lower, layer]))["d"]).toMatchObject({ mode: "755", mtime: "0" });
    }
  });

  test("let an opaque marker hide all of a folder's lower content, wherever it stands", async () => {
    const lower = [folder("d", 0o711), file("d/x"), folder("d/s", 0o700), file("d/s/y"), file("keep")];
    for (const layer of [
      [folder("d", 0o711), file("d/.wh..wh..opq"), file("d/s/new")],
      [file("d/s/new"), folder("d", 0o711), file("d/.wh..wh..opq")],
      [file("d/s/new"), file("d/.wh..wh..opq"), file("d/.wh..wh..opq")],
    ]) {
      const tree = await treeOf([lower, layer]);
      expect(pathsOf(tree)).toEqual(["d/", "d/s/", "d/s/new", "keep"]);
      expect(tree["d"]?.mode).toBe("711");
      expect(tree["d/s"]?.mode).toBe("755");
    }
    expect(await pathsAfter(lower, [file(".wh..wh..opq"), file("only")])).toEqual(["only"]);
  });

  test("ignore markers that hide nothing, and those of other drivers", async () => {
    expect(
      await pathsAfter(
        [file("a")],
        [file(".wh.b"), file("no/.wh.x"), file("a/.wh.x"), file(".wh..wh.plnk"), file(".wh..wh.aufs/x")],
      ),
    ).toEqual(["a"]);
  });

  test("show again what a third layer brings back", async () => {
    expect(await pathsAfter([file("d/a"), file("d/b")], [file(".wh.d")], [file("d/c")])).toEqual([
      "d/",
      "d/c",
    ]);
  });

  test("share inodes through hard links, also into lower layers, also when the first name is hidden", async () => {
    const tree = await treeOf([
      [{ ...file("a", "content"), mode: 0o640, uid: 7 }, symlink("s", "a"), hardLink("s2", "s")],
      [
        hardLink("b", "./a"),
        file(".wh.a"),
        hardLink("d/c", "/b"),
        { path: "n", type: "3", device: [1, 3] },
        hardLink("n2", "n"),
      ],
      [hardLink("b", "b"), file("s", "no longer a link")],
    ]);
    expect(pathsOf(tree)).toEqual(["b", "d/", "d/c", "n", "n2", "s", "s2"]);
    expect(tree["b"]).toMatchObject({ links: 2, mode: "640", owner: "7:0" });
    expect(tree["b"]?.content).toBe(tree["d/c"]?.content ?? "");
    expect(tree["n"]?.links).toBe(2);
    expect(tree["s2"]).toMatchObject({ kind: "symlink", links: 1 });
  });

  test("let a hard link take the place of the folder that its target lies in", async () => {
    const tree = await treeOf([[file("d/a", "x")], [hardLink("d", "d/a")]]);
    expect(tree).toMatchObject({ d: { kind: "file", links: 1 } });
  });

  test("follow symlinks on the way within the image's root, never out of it", async () => {
    const outside = "../".repeat(20);
    const tree = await treeOf([
      [
        folder("usr/lib"),
        symlink("lib", "usr/lib"),
        symlink("abs", "/usr"),
        symlink("up", `${outside}tmp/ember-escape`),
        symlink("usr/self", "../../usr/lib/../lib"),
        symlink("dangling", "/made/by/need"),
      ],
      [file("lib/a"), file("abs/b"), file("up/c"), file("usr/self/d"), file("dangling/e"), file(".wh.lib")],
    ]);
    expect(pathsOf(tree)).toEqual(
      [
        "abs",
        "dangling",
        "made/",
        "made/by/",
        "made/by/need/",
        "made/by/need/e",
        "tmp/",
        "tmp/ember-escape/",
        "tmp/ember-escape/c",
        "up",
        "usr/",
        "usr/b",
        "usr/lib/",
        "usr/lib/a",
        "usr/lib/d",
        "usr/self",
      ].sort(),
    );
  });

  test("describe the root itself", async () => {
    const tree = await treeOf([
      [{ path: "./", type: "5", mode: 0o751, uid: 3, mtime: 9, xattrs: { "user.r": "x" } }],
    ]);
    expect(tree["."]).toMatchObject({
      mode: "751",
      owner: "3:0",
      mtime: "9000000000",
      xattrs: { "user.r": "0x78" },
    });
  });

  test("keep an image's own lost+found", async () => {
    const tree = await treeOf([[folder("lost+found", 0o750), file("lost+found/x"), file("y")]]);
    expect(pathsOf(tree)).toEqual(["y"]);
  });
});
