import { join } from "node:path";
import { Readable } from "node:stream";
import { checkDisk, scratchFolder, withMounted } from "../../ext4/testing/disks.ts";
import { readTree, type Tree } from "../../ext4/testing/read-tree.ts";
import { type LayerSource, type WriteLayersOptions, writeLayers } from "../../layers.ts";
import { type TarItem, tarOf } from "../../tar/testing/tar-builder.ts";

/** A layer that is in memory, given out in pieces. */
export function layerOf(archive: Buffer, facts: Omit<LayerSource, "open"> = {}): LayerSource {
  return {
    ...facts,
    open: async () =>
      Readable.from(
        (function* () {
          for (let at = 0; at < archive.length; at += 10_000) yield archive.subarray(at, at + 10_000);
        })(),
        { objectMode: false },
      ),
  };
}

/** What a mounted disk made of these layers holds; it was found clean before. */
export async function treeOf(
  layers: readonly (readonly (TarItem | Buffer)[])[],
  options: Partial<WriteLayersOptions> = {},
): Promise<Tree> {
  using scratch = scratchFolder();
  const target = join(scratch.path, "disk");
  await writeLayers({ layers: layers.map((items) => layerOf(tarOf(...items))), target, ...options });
  await checkDisk(target);
  return await withMounted(target, "ro", readTree);
}

/** The paths of a tree, with "/" behind folders, in order. */
export function pathsOf(tree: Tree): string[] {
  return Object.entries(tree)
    .filter(([path]) => path !== ".")
    .map(([path, facts]) => (facts.kind === "folder" ? `${path}/` : path))
    .sort();
}
