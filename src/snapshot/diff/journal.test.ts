import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../host/run.ts";
import { noMounts, scratchFolder, withMounted } from "../../image/ext4/testing/disks.ts";
import { changesOf, expectedChanges, makeDisk } from "./testing/expected.ts";
import { dice, shuffle } from "./testing/random-tree.ts";

setDefaultTimeout(300_000);
const mib = 1024 ** 2;

const kinds: Readonly<Record<string, { make: readonly string[]; mount?: string }>> = {
  "with checksums": { make: ["-t", "ext4"] },
  "with contents in the journal": { make: ["-t", "ext4"], mount: "data=journal" },
  "of 32 bits, without checksums": { make: ["-t", "ext4", "-O", "^64bit,^metadata_csum"] },
  "of ext3 with small blocks": { make: ["-t", "ext3", "-b", "1024"], mount: "data=journal" },
};

/** Changes a mounted disk, and copies it while the newest of that is in its journal alone. */
async function copyInUse(
  disk: string,
  copy: string,
  options: string,
  roll: (below: number) => number,
): Promise<void> {
  const folder = `${disk}.mounted`;
  mkdirSync(folder);
  // Commits happen when they are asked for, so that the copy is of one moment.
  await run("mount", ["-t", "ext4", "-o", `loop,commit=900${options}`, disk, folder]);
  try {
    for (let round = 0; round < 6; round += 1) {
      await shuffle(folder, 10, roll);
      const journalMagic = Buffer.from([0xc0, 0x3b, 0x39, 0x98, round]);
      writeFileSync(join(folder, "escaped"), Buffer.concat([journalMagic, Buffer.alloc(9000, round)]));
      await run("sync", ["-f", folder]);
    }
    rmSync(join(folder, "escaped")); // not committed
    await run("cp", ["--sparse=always", disk, copy]);
  } finally {
    await run("umount", ["--", folder]);
  }
}

describe.skipIf(noMounts)("the disk of a guest that was killed", () => {
  for (const [index, [kind, { make, mount }]] of Object.entries(kinds).entries()) {
    test(`is what e2fsck makes of its journal: ${kind}`, async () => {
      using folder = scratchFolder();
      const [before, killed, repaired] = ["before", "killed", "repaired"].map((name) =>
        join(folder.path, name),
      );
      if (before === undefined || killed === undefined || repaired === undefined) throw new Error();
      const roll = dice(77 + index);
      await makeDisk(before, 160 * mib, make);
      await withMounted(before, "rw", (root) => shuffle(root, 60, roll));
      const used = join(folder.path, "used");
      await run("cp", ["--sparse=always", before, used]);
      await copyInUse(used, killed, mount === undefined ? "" : `,${mount}`, roll);
      await run("cp", ["--sparse=always", killed, repaired]);
      await run("e2fsck", ["-fy", "-E", "journal_only", repaired], { okStatuses: [0, 1] });
      const expected = await expectedChanges(before, repaired);
      expect(expected.length).toBeGreaterThan(20);
      expect(expected).toContain("/escaped added file ");
      expect(await changesOf(before, killed)).toEqual(expected);
      expect(await changesOf(killed, repaired)).toEqual([]);
    });
  }
});
