import { expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { scratchFolder } from "../../test/contract/storage/place.ts";
import { readScratchName, scratchBeside, scratchName, sweepBeside, sweepScratch } from "./scratch.ts";

const deadPid = "new-0123456789abcdef-999999999-000000000000-00000000.tmp";
/** This process's pid, but another start time: the pid was given to another process. */
const reusedPid = `drop-0123456789abcdef-${process.pid}-000000000000-00000000.tmp`;

test("a scratch file's name tells whether its owner still runs", () => {
  expect(readScratchName(scratchName("new", "0123456789abcdef"))).toEqual({ kind: "new", ownerAlive: true });
  expect(readScratchName(scratchName("drop", ""))).toEqual({ kind: "drop", ownerAlive: true });
  expect(readScratchName(deadPid)).toEqual({ kind: "new", ownerAlive: false });
  expect(readScratchName(reusedPid)).toEqual({ kind: "drop", ownerAlive: false });
  for (const name of ["0123456789abcdef.ext4", "new-x.tmp", `${deadPid}.bak`, ".."]) {
    expect(readScratchName(name)).toBeUndefined();
  }
});

test("sweeping removes what nobody owns any more, and nothing else", () => {
  using folder = scratchFolder();
  const kept = ["0123456789abcdef.ext4", scratchName("new", "0123456789abcdef"), "notes.tmp"].sort();
  for (const name of [...kept, deadPid, reusedPid]) writeFileSync(join(folder.path, name), "");
  sweepScratch(folder.path);
  sweepScratch(folder.path);
  expect(readdirSync(folder.path).sort()).toEqual(kept);
});

test("sweeping beside a file leaves other files' scratch alone", () => {
  using folder = scratchFolder();
  const mine = scratchBeside(join(folder.path, "storage.xfs"));
  for (const name of [
    mine,
    join(folder.path, `storage.xfs.${deadPid}`),
    join(folder.path, `other.${deadPid}`),
  ]) {
    writeFileSync(name, "");
  }
  sweepBeside(join(folder.path, "storage.xfs"));
  expect(readdirSync(folder.path)).toHaveLength(2);
});
