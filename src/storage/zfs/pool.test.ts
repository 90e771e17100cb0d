import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  codeOf,
  expectVm,
  imageBytes,
  imageId,
  importSample,
  incompressible,
  putVm,
  vmId,
} from "../../../test/contract/storage/disks.ts";
import { destroyPool, zfsOnFiles } from "../../../test/contract/storage/factory-zfs.ts";
import { mib, scratchFolder, skipReason } from "../../../test/contract/storage/place.ts";
import { randomHex } from "../../host/random.ts";
import { run } from "../../host/run.ts";
import { poolState } from "../../host/zfs.ts";
import { zfsList } from "../../host/zfs-list.ts";
import type { Storage, StorageContext } from "../storage.ts";
import { chooseZfs } from "./choice.ts";
import { createZfs } from "./driver.ts";

setDefaultTimeout(600_000);
const skipped = skipReason("zfs pools", zfsOnFiles) !== undefined;
const vm = { vmId: vmId(1) };
const context: StorageContext = {
  numbers: { take: () => 0, find: () => undefined, free: () => undefined, all: () => new Map() },
  notice: () => undefined,
};

async function ready(storage: Storage): Promise<void> {
  await storage.init();
  await importSample(storage);
  await storage.cloneImage({ imageId }, vm, { sizeBytes: imageBytes });
}

async function datasets(pool: string): Promise<string[]> {
  return (await zfsList(pool, [pool], { recursive: true })).map(({ name }) => name);
}

describe.skipIf(skipped)("a pool of ember's own", () => {
  test("is imported again when the host has forgotten it, and missed when its file is gone", async () => {
    await using place = await zfsOnFiles.make();
    const { storage, config } = place;
    await ready(storage);
    await putVm(storage, 1, 0, 0x33);
    await run("zpool", ["export", config.pool ?? ""]);
    expect(await codeOf(storage.list())).toBe("io-failed");
    await storage.deactivate(vm);
    await place.again().open();
    await expectVm(storage, 1, { 0: 0x33, [mib]: 0x22 });
    await run("zpool", ["export", config.pool ?? ""]);
    const file = config.backingFile ?? "";
    renameSync(file, `${file}.away`);
    expect(await codeOf(storage.open())).toBe("io-failed");
    writeFileSync(file, incompressible(mib));
    expect(await codeOf(storage.open())).toBe("io-failed"); // something else in its place
    renameSync(`${file}.away`, file);
    await storage.open();
    await expectVm(storage, 1, { 0: 0x33, [mib]: 0x22 });
  });

  test("says so when it is read-only, and can still be read", async () => {
    await using place = await zfsOnFiles.make();
    const { storage, config } = place;
    await ready(storage);
    await storage.snapshot({ ...vm, snapshotId: "aaaaaaaa" });
    await run("zpool", ["export", config.pool ?? ""]);
    const file = config.backingFile ?? "";
    await run("zpool", ["import", "-o", "readonly=on", "-N", "-d", file, config.pool ?? ""]);
    await storage.open();
    expect((await storage.list()).vmIds).toEqual([vm.vmId]);
    await storage.usage();
    expect(await storage.diskUsage()).toHaveLength(3);
    for (const work of [
      () => storage.cloneImage({ imageId }, { vmId: vmId(2) }, { sizeBytes: imageBytes }),
      () => storage.cloneVm(vm, { vmId: vmId(2) }, { sizeBytes: imageBytes }),
      () => storage.snapshot({ ...vm, snapshotId: "bbbbbbbb" }),
      () => storage.restore({ ...vm, snapshotId: "aaaaaaaa" }),
      () => storage.activate(vm),
      () => storage.grow(vm, 2 * imageBytes),
      () => storage.removeVm(vm),
    ]) {
      expect({ work: work.toString(), code: await codeOf(work()) }).toMatchObject({ code: "io-failed" });
    }
    expect(await place.leftovers()).toEqual([]);
  });

  test("says when it is nearly full, refuses disks, snapshots and starts when it is full, and grows", async () => {
    await using place = await zfsOnFiles.make();
    const { storage, config } = place;
    await ready(storage);
    const clone = (number: number): Promise<unknown> =>
      storage.cloneImage({ imageId }, { vmId: vmId(number) }, { sizeBytes: imageBytes });
    const reserve = (bytes: number): Promise<unknown> =>
      run("zfs", ["set", `refreservation=${Math.floor(bytes)}`, `${config.pool}/other`]);
    await run("zfs", ["create", `${config.pool}/other`]);
    const { freeBytes } = await storage.usage();
    await reserve(0.9 * freeBytes);
    await clone(2);
    await clone(3);
    expect(place.notices).toHaveLength(1);
    await reserve(0.97 * freeBytes);
    expect(await codeOf(clone(4))).toBe("disk-full");
    expect(await codeOf(storage.snapshot({ ...vm, snapshotId: "bbbbbbbb" }))).toBe("disk-full");
    expect(await codeOf(storage.activate(vm))).toBe("disk-full");
    expect(await codeOf(importSample(storage, "ffffffffffffffff"))).toBe("disk-full");
    expect(await codeOf(storage.expand?.(mib) ?? Promise.resolve())).toBe("unsupported");
    await storage.expand?.((config.backingBytes ?? 0) + 512 * mib);
    expect((await storage.usage()).freeBytes).toBeGreaterThan(400 * mib);
    await clone(4);
    await storage.trim?.();
    await expectVm(storage, 4, { 0: 0x11 });
    await storage.removeImage({ imageId: "ffffffffffffffff" });
    expect(await place.leftovers()).toEqual([]);
    await storage.deinit(true); // not with somebody's dataset in it
    expect(poolState(config.pool ?? "")).toBeUndefined();
    expect(existsSync(config.backingFile ?? "")).toBe(true);
  });
});

describe.skipIf(skipped)("somebody's pool", () => {
  test("keeps its other datasets; only a dataset of ember's is taken, and only it is purged", async () => {
    using place = scratchFolder();
    const pool = `ember-test-${randomHex(4)}`;
    const file = join(place.path, "pool");
    await run("truncate", ["--size=512M", file]);
    await run("zpool", ["create", "-o", "cachefile=none", "-O", "mountpoint=none", pool, file]);
    try {
      await run("zfs", ["create", "-p", `${pool}/theirs/vms`]);
      const wish = { stateDir: join(place.path, "one"), pool };
      mkdirSync(wish.stateDir);
      expect(await codeOf(chooseZfs({ ...wish, sizeBytes: 512 * mib }))).toBe("usage");
      expect(await codeOf(chooseZfs({ ...wish, device: "/dev/vda" }))).toBe("usage");
      expect(await codeOf(chooseZfs({ ...wish, dataset: "theirs" }))).toBe("already-initialized");
      const before = await datasets(pool);
      const choice = await chooseZfs(wish);
      expect(choice).toMatchObject({ fresh: true, config: { ownsPool: false, dataset: "ember" } });
      expect(await datasets(pool)).toEqual(before); // choosing changes nothing
      const storage = createZfs(choice.config, context);
      await ready(storage);
      expect((await storage.usage()).reservedBytes).toBeNull();
      expect([storage.expand, storage.trim]).toEqual([undefined, undefined]);
      const other = { ...wish, stateDir: join(place.path, "two") };
      mkdirSync(other.stateDir);
      expect(await codeOf(chooseZfs(other))).toBe("already-initialized");
      await storage.deinit(false);
      expect((await chooseZfs(wish)).fresh).toBe(false);
      await storage.deinit(true);
      expect(await datasets(pool)).toEqual(before);
    } finally {
      await destroyPool(pool);
    }
  });
});

describe.skipIf(skipped)("a device", () => {
  test("that is empty is taken whole, grows with it, and is empty again after a purge", async () => {
    using place = scratchFolder();
    const pool = `ember-test-${randomHex(4)}`;
    const file = join(place.path, "disk");
    await run("truncate", ["--size=256M", file]);
    const device = (await run("losetup", ["--show", "--find", "--partscan", file])).stdout.trim();
    try {
      const wish = { stateDir: place.path, pool, device };
      const choice = await chooseZfs(wish);
      expect(choice).toMatchObject({ fresh: true, config: { ownsPool: true, device } });
      const storage = createZfs(choice.config, context);
      await ready(storage);
      expect(await codeOf(chooseZfs({ ...wish, pool: `${pool}-b` }))).toBe("wrong-state");
      await storage.deinit(false);
      await storage.open();
      await expectVm(storage, 1, { 0: 0x11 });
      const before = (await storage.usage()).capacityBytes;
      await run("truncate", ["--size=512M", file]);
      await run("losetup", ["--set-capacity", device]);
      expect(await codeOf(storage.expand?.(512 * mib) ?? Promise.resolve())).toBe("unsupported");
      await storage.expand?.(undefined);
      expect((await storage.usage()).capacityBytes).toBeGreaterThan(before + 200 * mib);
      await storage.deinit(true);
      expect((await chooseZfs(wish)).fresh).toBe(true);
    } finally {
      await destroyPool(pool);
      await run("losetup", ["--detach", device]);
    }
  });
});

test("what ZFS has no use for is refused before anything else is looked at", async () => {
  using place = scratchFolder();
  const wish = { stateDir: place.path };
  expect(await codeOf(chooseZfs({ ...wish, fileSystem: "xfs" }))).toBe("usage");
  expect(await codeOf(chooseZfs({ ...wish, vdo: true }))).toBe("usage");
  expect(await codeOf(chooseZfs({ ...wish, device: "/dev/x", sizeBytes: mib }))).toBe("usage");
  expect(await codeOf(chooseZfs({ ...wish, pool: "a b" }))).toBe("invalid-name");
});
