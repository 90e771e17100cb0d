import { describe, expect, test } from "bun:test";
import type { ZfsRow } from "../../host/zfs-list.ts";
import { contentOf, usageOf } from "./accounting.ts";
import { namesOf } from "./names.ts";
import { leavesFirst } from "./remove.ts";

const names = namesOf({ pool: "tank", dataset: "ember" });
const image = "tank/ember/images/11111111";
const first = "tank/ember/vms/aaaaaaaa";
const second = "tank/ember/vms/bbbbbbbb";

function row(name: string, facts: Partial<ZfsRow> = {}): ZfsRow {
  const id = name.slice(name.lastIndexOf("/") + 1).split("@")[0];
  return {
    name,
    sizeBytes: 1000,
    usedBytes: 0,
    availableBytes: 0,
    usedByDatasetBytes: 0,
    usedBySnapshotsBytes: 0,
    referencedBytes: 100,
    logicalBytes: 200,
    writtenBytes: 0,
    createTxg: 1,
    origin: undefined,
    clones: [],
    deferred: false,
    volmode: undefined,
    properties: [`${id}:1000`, undefined],
    ...facts,
  };
}

const rowsOf = (...rows: ZfsRow[]): Map<string, ZfsRow> => new Map(rows.map((each) => [each.name, each]));

function usage(rows: Map<string, ZfsRow>, name: string): unknown {
  const found = usageOf(names, rows).find(({ disk }) => Object.values(disk).includes(name));
  return [found?.exclusiveBytes, found?.freesBytes];
}

describe("accounting", () => {
  test("only whole disks are listed, and snapshots that do not wait for clones to go", () => {
    const rows = rowsOf(
      row(image),
      row(`${image}@base`),
      row("tank/ember/images/22222222"), // without its snapshot
      row(first),
      row(`${first}@snap-aaaaaaaa-00000002`),
      row(`${first}@snap-aaaaaaaa-00000001`),
      row(`${first}@snap-aaaaaaaa-00000003`, { deferred: true }),
      row(`${first}@fork.new-bbbbbbbb-1-000000000000-00000000.tmp`, { deferred: true }),
      row(second, { properties: [undefined, undefined] }), // half-made
      row("tank/ember/history/cccccccc-00000000"), // its disk is gone
      row("tank/ember/scratch/read.x"),
    );
    expect(contentOf(names, rows)).toEqual({
      imageIds: ["11111111"],
      vmIds: ["aaaaaaaa", "cccccccc"],
      snapshots: [
        { vmId: "aaaaaaaa", snapshotId: "00000001" },
        { vmId: "aaaaaaaa", snapshotId: "00000002" },
      ],
    });
  });

  test("what an image shares with one clone is known, with several only when one has all of it", () => {
    const base = (clones: string[]) => row(`${image}@base`, { clones });
    const head = row(image, { usedByDatasetBytes: 100 });
    const clone = (name: string, referencedBytes: number, writtenBytes: number) =>
      row(name, { origin: `${image}@base`, referencedBytes, writtenBytes });
    expect(usage(rowsOf(head, base([])), "11111111")).toEqual([100, 100]);
    const one = rowsOf(head, base([first]), clone(first, 130, 60));
    expect(usage(one, "11111111")).toEqual([30, 30]);
    const two = rowsOf(head, base([first, second]), clone(first, 130, 60), clone(second, 110, 20));
    expect(usage(two, "11111111")).toEqual([null, null]);
    const fresh = rowsOf(head, base([first, second]), clone(first, 130, 60), clone(second, 100, 0));
    expect(usage(fresh, "11111111")).toEqual([0, 0]);
  });

  test("a VM frees what its volumes and snapshots have, and the origin kept for it alone", () => {
    const origin = `${first}@fork.x`;
    const rows = rowsOf(
      row(first, { usedByDatasetBytes: 50, usedBySnapshotsBytes: 7, writtenBytes: 5 }),
      row(origin, { deferred: true, clones: [second], usedBytes: 7 }),
      row(second, { origin, usedByDatasetBytes: 20, writtenBytes: 8 }),
      row(`${second}@snap-bbbbbbbb-00000001`, { usedBytes: 3 }),
    );
    expect(usage(rows, "bbbbbbbb")).toEqual([8, 27]);
    expect(usage(rows, "aaaaaaaa")).toEqual([5, 5]); // its fork keeps the rest
    expect(usage(rows, "00000001")).toEqual([3, 3]);
  });

  test("volumes are destroyed before those that they were cloned from", () => {
    const volumes = [
      row("a", { origin: "x@1" }),
      row("b", { origin: "a@1" }),
      row("c", { origin: "b@1" }),
      row("d", { origin: "a@2" }),
    ];
    const order = leavesFirst({ volumes, snapshots: [] }).map(({ name }) => name);
    expect(order.indexOf("c")).toBeLessThan(order.indexOf("b"));
    expect(order.indexOf("b")).toBeLessThan(order.indexOf("a"));
    expect(order.indexOf("d")).toBeLessThan(order.indexOf("a"));
  });
});
