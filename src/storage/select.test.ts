import { describe, expect, setDefaultTimeout, spyOn, test } from "bun:test";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { codeOf } from "../../test/contract/storage/disks.ts";
import {
  gib,
  loopMount,
  mib,
  missingForMounts,
  skipReason,
  unmountAll,
} from "../../test/contract/storage/place.ts";
import { run } from "../host/run.ts";
import { setToolEnvironment } from "../host/tools.ts";
import type { StorageWish } from "./choice.ts";
import { chooseQcow2 } from "./qcow2/choice.ts";
import { createReflink } from "./reflink/driver.ts";
import { chooseAuto, chooseReflink } from "./select.ts";
import { defaultBackingBytes } from "./usage.ts";

setDefaultTimeout(120_000);
const reason = skipReason("choice of a storage", {
  missing: () => missingForMounts("reflink", ["mkfs.btrfs", "mkfs.xfs", "mkfs.ext4", "flock"]),
});

/** A file system of the kind, and a choice made in a state folder on it; whatever the choice mounted is gone after. */
async function on(kind: "btrfs" | "ext4") {
  const mkfs = kind === "btrfs" ? ["mkfs.btrfs", "-q"] : ["mkfs.ext4", "-q", "-F", "-m", "0"];
  const host = await loopMount(mkfs, 400 * mib);
  const stateDir = join(host.path, "state");
  return {
    host: host.path,
    stateDir,
    choose: (wish: Partial<StorageWish> = {}) => chooseAuto({ stateDir, ...wish }),
    reflink: (wish: Partial<StorageWish> = {}) => chooseReflink({ stateDir, ...wish }),
    qcow2: (wish: Partial<StorageWish> = {}) => chooseQcow2({ stateDir, ...wish }),
    [Symbol.asyncDispose]: async () => {
      await unmountAll(join(stateDir, "storage"));
      await host[Symbol.asyncDispose]();
    },
  };
}

describe.skipIf(reason !== undefined)("choice of a storage", () => {
  test("a state folder that shares blocks is used as it is, and nothing is left by the probe", async () => {
    await using it = await on("btrfs");
    const { config, reason: why } = await it.choose();
    expect(config).toEqual({ driver: "reflink", folder: join(it.stateDir, "storage") });
    expect(why).toStartWith("reflink: the file system of");
    expect(readdirSync(it.stateDir)).toEqual([]);
    expect((await it.reflink()).config).toEqual(config);
  });

  test("else root gets a file system of its own, the same one the second time", async () => {
    await using it = await on("ext4");
    const { config, reason: why } = await it.choose();
    const folder = join(it.stateDir, "storage");
    expect(config).toMatchObject({
      driver: "reflink",
      folder,
      backingFile: `${folder}.xfs`,
      backingBytes: 10 * gib,
    });
    expect(why).toBe(`reflink: an XFS of up to 10 GiB in the sparse file '${folder}.xfs'`);
    expect((await it.choose()).config).toEqual(config);
    expect((await it.choose({ sizeBytes: 20 * gib })).config).toEqual(config);
  });

  test("else, without root or its tools, qcow2, with the reason", async () => {
    await using it = await on("ext4");
    const getuid = spyOn(process, "getuid").mockReturnValue(1000);
    try {
      const { config, reason: why } = await it.choose();
      expect(config).toEqual({ driver: "qcow2", folder: join(it.stateDir, "storage") });
      expect(why).toContain("only root can mount");
      expect(await codeOf(it.reflink())).toBe("storage-cannot-clone");
      expect(await codeOf(it.choose({ sizeBytes: gib }))).toBe("storage-cannot-clone");
    } finally {
      getuid.mockRestore();
    }
    expect(readdirSync(it.stateDir)).toEqual([]);
  });

  test("a file system that cannot be made is undone, and passed over unless it was asked for", async () => {
    await using it = await on("ext4");
    await run("fallocate", ["-l", "340M", join(it.host, "filler")]); // no room for the XFS's log
    expect((await it.choose()).config.driver).toBe("qcow2");
    const { config } = await it.reflink();
    expect(await codeOf(createReflink(config).init())).toBe("disk-full");
    expect(existsSync(join(it.stateDir, "storage.xfs"))).toBe(false);
  });

  test("a file system that cannot be mounted is undone as well", async () => {
    await using it = await on("ext4");
    writeFileSync(join(it.host, "mount"), "#!/bin/sh\nexit 32\n", { mode: 0o755 });
    setToolEnvironment({ PATH: it.host });
    try {
      const { config, reason: why } = await it.choose();
      expect(config.driver).toBe("qcow2");
      expect(why).toContain("exit status 32");
    } finally {
      setToolEnvironment({});
    }
    expect(readdirSync(it.stateDir)).toEqual([]);
  });

  test("a size means a storage of its own, even where blocks are shared", async () => {
    await using it = await on("btrfs");
    const { config } = await it.choose({ sizeBytes: 512 * mib });
    expect(config).toMatchObject({ driver: "reflink", backingBytes: 512 * mib });
    expect(await codeOf(it.choose({ storagePath: join(it.stateDir, "b"), sizeBytes: mib }))).toBe(
      "invalid-size",
    );
    const btrfs = await it.choose({ sizeBytes: 512 * mib, fileSystem: "btrfs" });
    expect(btrfs.config).toMatchObject({
      backingFile: join(it.stateDir, "storage.btrfs"),
      fileSystem: "btrfs",
    });
    expect(readdirSync(it.stateDir)).toEqual([]); // a choice makes nothing
    for (const wish of [
      { sizeBytes: gib },
      { device: "/dev/sdz" },
      { fileSystem: "xfs" },
      { pool: "tank" },
    ] as const) {
      expect(await codeOf(it.qcow2(wish))).toBe("usage");
    }
    expect(await codeOf(it.reflink({ pool: "tank" }))).toBe("usage");
    expect(await codeOf(it.choose({ vdo: true }))).toBe("usage");
  });

  test("a storage file that is there is never passed over for another", async () => {
    await using it = await on("btrfs");
    const { config, fresh } = await it.choose({ sizeBytes: 512 * mib, fileSystem: "btrfs" });
    expect(fresh).toBe(true);
    const storage = createReflink(config);
    await storage.init();
    await storage.deinit(false);
    expect(await it.reflink()).toMatchObject({ config, fresh: false });
    expect(await codeOf(it.reflink({ fileSystem: "xfs" }))).toBe("already-initialized");
  });

  test("names and places that are asked for are honoured", async () => {
    await using it = await on("btrfs");
    const folder = join(it.host, "elsewhere", "disks");
    expect((await it.qcow2({ storagePath: folder })).config).toEqual({
      driver: "qcow2",
      folder,
    });
    expect((await it.choose({ storagePath: folder })).config).toEqual({ driver: "reflink", folder });
  });
});

test("the default size is most of what is free, and never below 10 GiB", () => {
  expect(defaultBackingBytes(0)).toBe(10 * gib);
  expect(defaultBackingBytes(100 * gib + 12_345)).toBe(80 * gib);
});
