import { describe, expect, test } from "bun:test";
import { codeOf } from "../../../test/contract/storage/disks.ts";
import { namesOf, readSnapshotName, snapshotLabel, vmIdOfName, volumeBytes } from "./names.ts";

describe("names of datasets", () => {
  const names = namesOf({ pool: "tank", dataset: "a/ember" });

  test("what ZFS would not take is refused", async () => {
    const code = (pool: string, dataset: string) => codeOf((async () => namesOf({ pool, dataset }))());
    for (const pool of ["", "-x", "1st", "mirror", "raidz2", "c0", "a b", "a/b", "a@b", "ä"]) {
      expect({ pool, code: await code(pool, "ember") }).toEqual({ pool, code: "invalid-name" });
    }
    for (const dataset of ["", "/", "a//b", "a/", "/a", "..", "-a", "a b", "a@b", "a#b", "x".repeat(101)]) {
      expect({ dataset, code: await code("tank", dataset) }).toEqual({ dataset, code: "invalid-name" });
    }
    expect(await code("tank.1", "a/b_c:d")).toBe("no error");
  });

  test("a snapshot's name tells whose it is wherever a promotion moves it", () => {
    const snapshot = { vmId: "aaaaaaaa", snapshotId: "bbbbbbbb" };
    const label = snapshotLabel(snapshot);
    expect(readSnapshotName(`tank/ember/vms/cccccccc@${label}`)).toEqual(snapshot);
    expect(readSnapshotName("tank/ember/vms/cccccccc@daily")).toBeUndefined();
  });

  test("a volume's name tells the VM, put-aside ones and snapshots included", () => {
    expect(vmIdOfName(names, "tank/a/ember/vms/aaaaaaaa")).toBe("aaaaaaaa");
    expect(vmIdOfName(names, "tank/a/ember/vms/aaaaaaaa@snap-x")).toBe("aaaaaaaa");
    expect(vmIdOfName(names, "tank/a/ember/history/aaaaaaaa-00000000@x")).toBe("aaaaaaaa");
    for (const other of ["tank/a/ember/vms", "tank/a/ember/images/aaaaaaaa", "tank/vms/aaaaaaaa"]) {
      expect(vmIdOfName(names, other)).toBeUndefined();
    }
  });

  test("a volume is a whole number of blocks", () => {
    expect([512, 16_384, 16_896].map(volumeBytes)).toEqual([16_384, 16_384, 32_768]);
  });
});
