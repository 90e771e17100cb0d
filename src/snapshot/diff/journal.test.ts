import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  rmdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { errnoCode } from "../../errors/ember-error.ts";
import { run } from "../../host/run.ts";
import { dice } from "../../image/ext4/testing/dice.ts";
import { noMounts, scratchFolder, withMounted } from "../../image/ext4/testing/disks.ts";
import { changesOf, expectedChanges, makeDisk } from "./testing/expected.ts";
import { shuffle } from "./testing/random-tree.ts";

setDefaultTimeout(300_000);
const mib = 1024 ** 2;

const kinds: Readonly<Record<string, { make: readonly string[]; mount?: string; rounds?: number }>> = {
  "with checksums": { make: ["-t", "ext4"] },
  "with contents in the journal": { make: ["-t", "ext4"], mount: "data=journal" },
  "of 32 bits, without checksums": { make: ["-t", "ext4", "-O", "^64bit,^metadata_csum"] },
  "that has gone round": { make: ["-t", "ext4", "-b", "1024", "-J", "size=1"], rounds: 25 },
  "of ext3 with small blocks": { make: ["-t", "ext3", "-b", "1024"], mount: "data=journal" },
};

/** Copies a mounted disk while the newest of what `change` does is in its journal alone. */
async function copyInUse(
  disk: string,
  copy: string,
  options: string,
  change: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = `${disk}.mounted`;
  mkdirSync(folder);
  // Commits happen when they are asked for, so that the copy is of one moment.
  await run("mount", ["-t", "ext4", "-o", `loop,commit=900${options}`, disk, folder]);
  try {
    await change(folder);
    await run("cp", ["--sparse=always", disk, copy]);
  } finally {
    await run("umount", ["--", folder]);
  }
}

/** Unlike a sync of all, which puts what was in the journal into its place. */
function commit(path: string): void {
  const file = openSync(path, "r");
  fsyncSync(file);
  closeSync(file);
}

/** Paths of a disk, of a copy of it that is to be used, of one that was being used, and of that one repaired. */
async function prepare(
  folder: string,
  make: readonly string[],
  fill: (root: string) => Promise<void>,
  sizeMib = 160,
) {
  const path = (name: string): string => join(folder, name);
  const paths = {
    before: path("before"),
    used: path("used"),
    killed: path("killed"),
    repaired: path("repaired"),
  };
  await makeDisk(paths.before, sizeMib * mib, make);
  await withMounted(paths.before, "rw", fill);
  await run("cp", ["--sparse=always", paths.before, paths.used]);
  return paths;
}

async function expectRepaired(paths: Awaited<ReturnType<typeof prepare>>): Promise<readonly string[]> {
  const { before, killed, repaired } = paths;
  await run("cp", ["--sparse=always", killed, repaired]);
  await run("e2fsck", ["-fy", "-E", "journal_only", repaired], { okStatuses: [0, 1] });
  const expected = await expectedChanges(before, repaired);
  expect(await changesOf(before, killed)).toEqual(expected);
  expect(await changesOf(killed, repaired)).toEqual([]);
  return expected;
}

describe.skipIf(noMounts)("the disk of a guest that was killed", () => {
  for (const [index, [kind, { make, mount, rounds = 6 }]] of Object.entries(kinds).entries()) {
    test(`is what e2fsck makes of its journal: ${kind}`, async () => {
      using folder = scratchFolder();
      const roll = dice(77 + index);
      const paths = await prepare(folder.path, make, (root) => shuffle(root, 60, roll));
      await copyInUse(paths.used, paths.killed, mount === undefined ? "" : `,${mount}`, async (root) => {
        for (let round = 0; round < rounds; round += 1) {
          await shuffle(root, 10, roll);
          const journalMagic = Buffer.from([0xc0, 0x3b, 0x39, 0x98, round]);
          writeFileSync(join(root, "escaped"), Buffer.concat([journalMagic, Buffer.alloc(9000, round)]));
          commit(root);
        }
        rmSync(join(root, "escaped")); // not committed
      });
      const expected = await expectRepaired(paths);
      expect(expected.length).toBeGreaterThan(20);
      expect(expected).toContain("/escaped added file ");
    });
  }

  test("has what was written to blocks that directories gave up, not what the journal has of those", async () => {
    using folder = scratchFolder();
    const make = ["-t", "ext4", "-b", "1024", "-J", "size=4", "-N", "4000"];
    const paths = await prepare(folder.path, make, async () => undefined, 16);
    await copyInUse(paths.used, paths.killed, "", async (root) => {
      for (let number = 0; number < 1000; number += 1) mkdirSync(join(root, `folder-${number}`));
      commit(root);
      for (let number = 0; number < 1000; number += 1) rmdirSync(join(root, `folder-${number}`));
      commit(root);
      fill(join(root, "file"));
      commit(join(root, "file"));
    });
    expect(await expectRepaired(paths)).toEqual(["/file added file "]);
  });
});

/** Writes a file until the disk is full. */
function fill(path: string): void {
  const file = openSync(path, "w");
  try {
    for (;;) writeSync(file, Buffer.alloc(4096, 0x5a));
  } catch (error) {
    if (errnoCode(error) !== "ENOSPC") throw error;
  } finally {
    closeSync(file);
  }
}
