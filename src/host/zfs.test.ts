import { describe, expect, test } from "bun:test";
import { codeOf } from "../../test/contract/storage/disks.ts";
import { checkPool, poolState, problemOf } from "./zfs.ts";
import { parseZfsList } from "./zfs-list.ts";

describe("zfs", () => {
  test("what it complains of is told by its sentences", () => {
    const said: Readonly<Record<string, string>> = {
      missing: "cannot open 'tank/ember/vms/aa': dataset does not exist",
      exists: "cannot create 'tank/ember/vms/aa': dataset already exists",
      busy: "cannot destroy 'tank/ember/vms/aa': dataset is busy",
      dependants:
        "cannot destroy 'tank/x@base': snapshot has dependent clones\nuse '-R' to destroy the following datasets:\ntank/y",
      full: "cannot create snapshot 'tank/x@y': out of space",
      "no-pool": "cannot open 'tank': no such pool",
      suspended: "cannot create 'tank/x': pool I/O is currently suspended",
      denied: "cannot create 'tank/x': permission denied",
      "read-only": "cannot create 'tank/x': pool is read-only",
      "no-module": "The ZFS modules are not loaded.\nTry running '/sbin/modprobe zfs' as root to load them.",
    };
    for (const [problem, sentence] of Object.entries(said)) {
      expect<string | undefined>(problemOf(sentence)).toBe(problem);
    }
    expect(problemOf("cannot frobnicate")).toBeUndefined();
  });

  test("a list is read by column, with what is not there as null or undefined", () => {
    const volume = [
      "tank/v",
      "2097152",
      "1",
      "2",
      "3",
      "4",
      "5",
      "6",
      "7",
      "8",
      "tank/i@base",
      "",
      "-",
      "dev",
      "v:2",
    ];
    const snapshot = [
      "tank/v@s",
      "2097152",
      "1",
      "-",
      "-",
      "-",
      "5",
      "6",
      "7",
      "9",
      "-",
      "tank/a,tank/b",
      "on",
      "-",
      "-",
    ];
    const [first, second] = parseZfsList(`${volume.join("\t")}\n${snapshot.join("\t")}\n`);
    expect(first).toEqual({
      name: "tank/v",
      sizeBytes: 2_097_152,
      usedBytes: 1,
      availableBytes: 2,
      usedByDatasetBytes: 3,
      usedBySnapshotsBytes: 4,
      referencedBytes: 5,
      logicalBytes: 6,
      writtenBytes: 7,
      createTxg: 8,
      origin: "tank/i@base",
      clones: [],
      deferred: false,
      volmode: "dev",
      properties: ["v:2"],
    });
    expect(second).toMatchObject({
      availableBytes: null,
      origin: undefined,
      clones: ["tank/a", "tank/b"],
      deferred: true,
      volmode: undefined,
      properties: [undefined],
    });
    expect(parseZfsList("")).toEqual([]);
  });

  test("a pool that is not imported is said to be missing, without asking ZFS", async () => {
    expect(poolState("no-such-pool")).toBeUndefined();
    expect(await codeOf((async () => checkPool("no-such-pool"))())).toBe("io-failed");
  });
});
