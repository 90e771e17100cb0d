import type { TarItem } from "../../tar/testing/tar-builder.ts";
import { Chance } from "./chance.ts";

/** What a name is while layers are made up. */
type Known = "folder" | "file" | "symlink" | "fifo";

/**
 * Layers as a builder would write them: each describes the folders it changes, and hides only what lower layers have.
 * The same for the same seed.
 */
export function randomLayers(seed: number, layers = 4, itemsPerLayer = 60): TarItem[][] {
  const chance = new Chance(seed);
  const tree = new Map<string, Known>([["", "folder"]]);
  return Array.from({ length: layers }, () => randomLayer(chance, tree, itemsPerLayer));
}

function randomLayer(chance: Chance, tree: Map<string, Known>, count: number): TarItem[] {
  const items: TarItem[] = [{ path: "./", type: "5", mtime: 1_500_000_000 }];
  const below = new Map(tree);
  const own = new Set<string>();
  const touched = new Set<string>();
  for (let item = 0; item < count; item++) {
    const folders = [...tree].filter(([, kind]) => kind === "folder").map(([path]) => path);
    const folder = chance.of(folders, "");
    const path = `${folder === "" ? "" : `${folder}/`}${chance.of(["a", "b", "c", "d", "e", "f"], "a")}`;
    if (own.has(path) || depth(path) > 5) continue;
    touched.add(folder);
    if (chance.below(4) === 0) hide(path, { items, tree, below, own });
    else put(path, chance, { items, tree, own });
  }
  // Folders last, so that their times are what the layer says, whatever was put into them.
  for (const folder of [...touched].filter((each) => each !== "" && tree.get(each) === "folder").sort()) {
    items.push({
      path: folder,
      type: "5",
      mode: 0o700 + chance.below(64),
      mtime: 1_000_000 + chance.below(1e9),
    });
  }
  items.push({ path: "./", type: "5", mtime: 1_500_000_000 });
  return items;
}

interface Growing {
  readonly items: TarItem[];
  readonly tree: Map<string, Known>;
  /** What this layer has given itself. */
  readonly own: Set<string>;
}

function hide(path: string, { items, tree, below, own }: Growing & { below: Map<string, Known> }): void {
  if (!below.has(path) || [...own].some((each) => each.startsWith(`${path}/`))) return;
  items.push({ path: path.replace(/([^/]+)$/, ".wh.$1") });
  forget(tree, path);
  own.add(path);
}

function put(path: string, chance: Chance, { items, tree, own }: Growing): void {
  if ([...own].some((each) => each.startsWith(`${path}/`))) return;
  const facts = { path, mode: 0o600 + chance.below(128), uid: chance.below(3), mtime: chance.below(2e9) };
  const kind = chance.of<Known>(["folder", "folder", "file", "file", "file", "symlink", "fifo"], "file");
  const files = [...tree].filter(([each, known]) => known === "file" && each !== path).map(([each]) => each);
  if (kind !== "folder" || tree.get(path) !== "folder") forget(tree, path);
  if (kind === "file" && files.length > 0 && chance.below(4) === 0) {
    const link = chance.of(files, "");
    if (tree.get(link) !== "file") return; // it lay below what has just been replaced
    items.push({ path, type: "1", link });
  } else if (kind === "file") {
    items.push({
      ...facts,
      content: "x".repeat(chance.below(20_000)),
      xattrs: { "user.x": `${chance.below(9)}` },
    });
  } else if (kind === "folder") items.push({ ...facts, type: "5" });
  else if (kind === "symlink")
    items.push({ ...facts, type: "2", link: chance.of(["/a/b", "../c", "missing"], "a") });
  else items.push({ ...facts, type: "6" });
  tree.set(path, kind);
  own.add(path);
}

function forget(tree: Map<string, Known>, path: string): void {
  for (const each of [...tree.keys()]) if (each === path || each.startsWith(`${path}/`)) tree.delete(each);
}

function depth(path: string): number {
  return path.split("/").length;
}
