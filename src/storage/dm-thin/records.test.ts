import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { scratchFolder } from "../../../test/contract/storage/place.ts";
import { EmberError } from "../../errors/ember-error.ts";
import { recordPath, type ThinLayout, thinLayoutOf, vmDevice } from "./layout.ts";
import {
  beginScratch,
  listDisks,
  parseRecord,
  publishRecord,
  readDisks,
  readRecord,
  replaceRecord,
  snapshotsIn,
} from "./records.ts";

const vm = { kind: "vm", vmId: "11111111" } as const;

function layoutIn(folder: string): ThinLayout {
  const layout = thinLayoutOf({ driver: "dm-thin", folder });
  for (const path of [layout.images, layout.vms, layout.snapshots, layout.staging]) mkdirSync(path);
  return layout;
}

test("a disk is there once its record is; another record takes its place in one step", async () => {
  using place = scratchFolder();
  const layout = layoutIn(place.path);
  const path = recordPath(layout, vm);
  expect(readRecord(path)).toBeUndefined();
  const scratch = beginScratch(layout, "new", vm.vmId);
  expect(readDisks(layout)).toEqual([]);
  expect(await publishRecord(scratch, path, { thinId: 7, sizeBytes: 512 })).toBe(true);
  expect(readDisks(layout)).toEqual([{ disk: vm, record: { thinId: 7, sizeBytes: 512 } }]);
  const late = beginScratch(layout, "new", vm.vmId);
  expect(await publishRecord(late, path, { thinId: 9, sizeBytes: 512 })).toBe(false);
  expect(readRecord(path)?.thinId).toBe(7);
  await replaceRecord(beginScratch(layout, "new", vm.vmId), path, { thinId: 8, sizeBytes: 1024 });
  expect(readRecord(path)).toEqual({ thinId: 8, sizeBytes: 1024 });
  expect(readdirSync(layout.staging)).toEqual([]);
});

test("disks are told apart by folder and name, and other files are none", () => {
  using place = scratchFolder();
  const layout = layoutIn(place.path);
  const record = JSON.stringify({ thinId: 1, sizeBytes: 512 });
  for (const name of [
    "images/aaaaaaaa",
    "vms/bbbbbbbb",
    "snapshots/bbbbbbbb-cccccccc",
    "vms/bbbbbbbb-cccccccc",
  ]) {
    writeFileSync(join(place.path, `${name}.json`), record);
  }
  for (const name of ["vms/notes.txt", "vms/short.json", "snapshots/cccccccc.json"]) {
    writeFileSync(join(place.path, name), "");
  }
  const snapshot = { kind: "snapshot", vmId: "bbbbbbbb", snapshotId: "cccccccc" } as const;
  expect(listDisks(layout)).toEqual([
    { kind: "image", imageId: "aaaaaaaa" },
    { kind: "vm", vmId: "bbbbbbbb" },
    snapshot,
  ]);
  expect(snapshotsIn(layout, "bbbbbbbb")).toEqual([snapshot]);
  expect(snapshotsIn(layout, "aaaaaaaa")).toEqual([]);
});

test("what is no record is refused, not guessed at", () => {
  for (const text of [
    "",
    "{",
    "null",
    "[]",
    '{"thinId":1}',
    '{"thinId":1.5,"sizeBytes":512}',
    '{"thinId":"1","sizeBytes":512}',
  ]) {
    expect(parseRecord(text)).toBeUndefined();
  }
  using place = scratchFolder();
  const layout = layoutIn(place.path);
  writeFileSync(recordPath(layout, vm), "{");
  expect(() => readDisks(layout)).toThrow(EmberError);
});

test("names of devices are the storage's own, and hold no id that is none", () => {
  const [first, second] = ["/a/storage", "/b/storage"].map((folder) =>
    thinLayoutOf({ driver: "dm-thin", folder }),
  );
  expect(first?.prefix).toMatch(/^ember-[0-9a-f]{8}-$/);
  expect(first?.prefix).not.toBe(second?.prefix);
  if (first === undefined) return;
  expect(vmDevice(first, vm)).toBe(`${first.prefix}vm-11111111`);
  expect(() => vmDevice(first, { vmId: "../x" })).toThrow(EmberError);
});
