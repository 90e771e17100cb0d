import { expect, test } from "bun:test";
import { type Extent, fileContent, plainAttributes } from "./inode.ts";
import { FileTree } from "./tree.ts";

const attributes = plainAttributes(0);
const run = (physical: number): Extent => ({ logical: 0, physical, length: 2 });

function treeAndReleased(): { readonly tree: FileTree; readonly released: Extent[] } {
  const released: Extent[] = [];
  return { tree: new FileTree(attributes, (extents) => released.push(...extents)), released };
}

const file = (physical: number) => ({
  kind: "file" as const,
  attributes,
  ...fileContent(8192, [run(physical)]),
});

test("gives inodes back as they were given, sizes beyond 32 bits and many runs too", () => {
  const { tree } = treeAndReleased();
  const sparse = [run(5), { logical: 9, physical: 2 ** 32 - 1, length: 1 }];
  tree.add(tree.root, "large", { kind: "file", attributes, ...fileContent(2 ** 40 + 3, sparse) }, 0);
  tree.add(tree.root, "link", { kind: "symlink", attributes, target: "t".repeat(4095) }, 0);
  tree.add(tree.root, "disk", { kind: "block-device", attributes, major: 4095, minor: 2 ** 20 - 1 }, 0);
  expect(tree.find(tree.root, "large")?.inode).toMatchObject({
    sizeBytes: 2 ** 40 + 3,
    extents: sparse,
    links: 1,
  });
  expect(tree.find(tree.root, "link")?.inode).toMatchObject({ target: "t".repeat(4095) });
  expect(tree.find(tree.root, "disk")?.inode).toMatchObject({ major: 4095, minor: 2 ** 20 - 1 });
});

test("gives blocks back with a file's last name, and with all that lies below a removed one", () => {
  const { tree, released } = treeAndReleased();
  const folder = tree.addFolder(tree.root, "folder", attributes, 0);
  tree.add(folder, "first", file(10), 0);
  tree.link(tree.root, "second", tree.find(folder, "first")?.inode.id ?? 0, 0);
  tree.add(tree.addFolder(folder, "deeper", attributes, 0), "other", file(20), 0);
  tree.remove(tree.root, "folder");
  expect(released).toEqual([run(20)]);
  expect(tree.names).toBe(1);
  expect(tree.find(tree.root, "second")?.inode).toMatchObject({ links: 1, start: 10 });
  tree.add(tree.root, "second", file(30), 1);
  expect(released).toEqual([run(20), run(10)]);
  expect(tree.pathChanges).toBe(1);
});

test("a name that is given to the inode that has it stays, at the end", () => {
  const { tree, released } = treeAndReleased();
  tree.add(tree.root, "one", file(10), 0);
  tree.add(tree.root, "two", file(20), 0);
  tree.link(tree.root, "one", tree.find(tree.root, "one")?.inode.id ?? 0, 3);
  expect([...tree.namesIn(tree.root)].map((name) => [tree.nameOf(name), name.layer])).toEqual([
    ["two", 0],
    ["one", 3],
  ]);
  expect(released).toEqual([]);
});

test("what is in a folder can be removed while it is listed", () => {
  const { tree } = treeAndReleased();
  for (const name of ["a", "b", "c"]) tree.add(tree.root, name, file(10), 0);
  const seen: string[] = [];
  for (const name of tree.namesIn(tree.root)) {
    seen.push(tree.nameOf(name));
    tree.remove(tree.root, tree.nameOf(name));
  }
  expect(seen).toEqual(["a", "b", "c"]);
  expect(tree.names).toBe(0);
});
