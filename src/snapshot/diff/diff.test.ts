import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { join } from "node:path";
import { run } from "../../host/run.ts";
import { noMounts, scratchFolder, withMounted } from "../../image/ext4/testing/disks.ts";

import { changesOf, expectedChanges, makeDisk } from "./testing/expected.ts";
import { dice, shuffle } from "./testing/random-tree.ts";

setDefaultTimeout(300_000);
const mib = 1024 ** 2;

/** Kinds of ext4, and of what came before, that guests may have. */
const kinds: Readonly<Record<string, readonly string[]>> = {
  usual: ["-t", "ext4"],
  "inline data": ["-t", "ext4", "-O", "inline_data", "-I", "512"],
  "large attributes": ["-t", "ext4", "-O", "ea_inode"],
  "small blocks": ["-t", "ext4", "-b", "1024"],
  "small inodes": ["-t", "ext4", "-I", "128"],
  "meta groups": ["-t", "ext4", "-O", "meta_bg,^resize_inode,^sparse_super", "-g", "4096", "-b", "1024"],
  "32 bits": ["-t", "ext4", "-O", "^64bit,^metadata_csum,^flex_bg"],
  "ext3, without extents": ["-t", "ext3", "-O", "^dir_index"],
  "ext2, without a journal": ["-t", "ext2", "-b", "1024"],
};

describe.skipIf(noMounts)("a disk compared with what it was", () => {
  for (const [index, [kind, options]] of Object.entries(kinds).entries()) {
    test(`shows what the kernel shows: ${kind}`, async () => {
      using folder = scratchFolder();
      const before = join(folder.path, "before");
      const after = join(folder.path, "after");
      const roll = dice(1000 + index);
      await makeDisk(before, 160 * mib, options);
      await withMounted(before, "rw", (root) => shuffle(root, 120, roll));
      for (let round = 0; round < 2; round += 1) {
        await run("cp", ["--sparse=always", before, after]);
        await withMounted(after, "rw", (root) => shuffle(root, 30, roll));
        const expected = await expectedChanges(before, after);
        expect(expected.length).toBeGreaterThan(5);
        expect(await changesOf(before, after)).toEqual(expected);
        expect(await changesOf(after, after)).toEqual([]);
        await run("mv", [after, before]);
      }
    });
  }
});
