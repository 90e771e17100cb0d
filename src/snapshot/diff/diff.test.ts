import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { qcow2OnExt4 } from "../../../test/contract/storage/factories.ts";
import { skipReason } from "../../../test/contract/storage/place.ts";
import { run } from "../../host/run.ts";
import type { BlockReader } from "../../image/disk/block-reader.ts";
import { openRaw } from "../../image/disk/raw-disk.ts";
import { openExt4 } from "../../image/ext4/reader/disk.ts";
import { dice } from "../../image/ext4/testing/dice.ts";
import { noMounts, scratchFolder, withMounted } from "../../image/ext4/testing/disks.ts";
import type { ReadableDisk } from "../../storage/storage.ts";
import { diffDisks } from "./diff.ts";
import { changesOf, expectedChanges, lineOf, makeDisk, readable } from "./testing/expected.ts";
import { shuffle } from "./testing/random-tree.ts";
import { walkBoth } from "./walk.ts";

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
  "clusters of blocks": ["-t", "ext4", "-O", "bigalloc", "-b", "1024", "-C", "16384"],
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
      await run("cp", ["--sparse=always", before, after]);
      await withMounted(after, "rw", (root) => shuffle(root, 40, roll));
      const expected = await expectedChanges(before, after);
      expect(expected.length).toBeGreaterThan(5);
      expect(await changesOf(before, after)).toEqual(expected);
      expect(await changesOf(after, after)).toEqual([]);
    });
  }

  test("is read where something was changed in place, whatever its time says, and not where nothing was", async () => {
    using folder = scratchFolder();
    const [before, after] = [join(folder.path, "before"), join(folder.path, "after")];
    await makeDisk(before, 160 * mib, ["-t", "ext4"]);
    await withMounted(before, "rw", async (root) => {
      for (const name of ["large", "touched", "disguised"]) {
        writeFileSync(join(root, name), Buffer.alloc((name === "large" ? 64 : 4) * mib, name));
      }
    });
    await run("cp", ["--sparse=always", before, after]);
    await withMounted(after, "rw", async (root) => {
      const path = join(root, "disguised");
      const { atime, mtime } = statSync(path);
      const file = openSync(path, "r+");
      writeSync(file, "!", 2 * mib);
      fsyncSync(file);
      closeSync(file);
      utimesSync(path, atime, mtime);
      utimesSync(join(root, "touched"), 1, 1);
    });
    await using first = await counting(before);
    await using second = await counting(after);
    const disks = { before: await openExt4(first), after: await openExt4(second) };
    const found: string[] = [];
    for await (const change of walkBoth(disks)) found.push(lineOf(change));
    expect(found).toEqual(["/disguised modified file content"]);
    expect(first.bytesRead).toBeLessThan(10 * mib);
  });
});

/** A raw disk that counts what is read of it. */
async function counting(path: string): Promise<BlockReader & { bytesRead: number }> {
  const disk = await openRaw(path);
  const counted: BlockReader & { bytesRead: number } = {
    ...disk,
    bytesRead: 0,
    async read(offset, length) {
      counted.bytesRead += length;
      return await disk.read(offset, length);
    },
  };
  return counted;
}

const reason = skipReason("snapshots of qcow2 disks compared", qcow2OnExt4);

test.skipIf(noMounts || reason !== undefined)(
  "snapshots in qcow2 files are compared as raw disks are",
  async () => {
    using folder = scratchFolder();
    await using place = await qcow2OnExt4.make();
    const { storage } = place;
    const [before, after] = [join(folder.path, "before"), join(folder.path, "after")];
    const image = { imageId: "0123456789abcdef" };
    const vm = { vmId: "00000001" };
    const roll = dice(3);
    await makeDisk(before, 64 * mib, ["-t", "ext4"]);
    await withMounted(before, "rw", (root) => shuffle(root, 60, roll));
    await storage.init();
    const staged = await storage.stagingPath(image.imageId);
    await run("cp", [before, staged]);
    await storage.importImage(image, staged);
    const disk = await storage.cloneImage(image, vm, { sizeBytes: 64 * mib });
    const taken: ReadableDisk[] = [];
    for (const snapshotId of ["aaaaaaaa", "bbbbbbbb", "cccccccc"]) {
      await storage.snapshot({ ...vm, snapshotId });
      await using snapshot = await storage.readSnapshot({ ...vm, snapshotId });
      const last = taken.at(-1);
      if (last !== undefined) {
        const expected = await changesOf(before, after);
        expect(expected.length).toBeGreaterThan(5);
        expect((await diffDisks(last, snapshot)).map(lineOf).sort()).toEqual(expected);
        expect(await diffDisks(snapshot, readableRaw(after))).toEqual([]);
        await run("mv", [after, before]);
      }
      taken.push(snapshot);
      await run("cp", ["--sparse=always", before, after]);
      await withMounted(after, "rw", (root) => shuffle(root, 30, roll));
      await writeDifferences(disk.path, before, after);
    }
  },
);

function readableRaw(path: string): ReadableDisk {
  return readable(path, statSync(path).size);
}

/** Writes to the qcow2 disk, which holds what `before` does, what makes it hold what `after` does. */
async function writeDifferences(disk: string, before: string, after: string): Promise<void> {
  const [first, second] = [readFileSync(before), readFileSync(after)];
  const commands: string[] = [];
  for (let at = 0; at < first.length; at += 65_536) {
    if (!first.subarray(at, at + 65_536).equals(second.subarray(at, at + 65_536)))
      commands.push("-c", `write -q -s ${after}.${at} ${at} 65536`);
    if (commands.at(-1)?.includes(`.${at} `) === true)
      writeFileSync(`${after}.${at}`, second.subarray(at, at + 65_536));
  }
  await run("qemu-io", ["-f", "qcow2", ...commands, disk]);
}
