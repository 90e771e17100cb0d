import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, openSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import {
  codeOf,
  expectVm,
  imageBytes,
  imageId,
  importSample,
  vmId,
} from "../../../test/contract/storage/disks.ts";
import {
  reflinkOnDevice,
  reflinkOnOwnBtrfs,
  reflinkOnOwnXfs,
} from "../../../test/contract/storage/factories.ts";
import {
  loopMount,
  mib,
  missingForMounts,
  mountsAt,
  type StorageUnderTest,
  scratchFolder,
  skipReason,
  unmountAll,
} from "../../../test/contract/storage/place.ts";
import { EmberError } from "../../errors/ember-error.ts";
import { run } from "../../host/run.ts";
import { chooseReflink } from "../select.ts";
import type { Storage } from "../storage.ts";
import { freeBytes } from "../usage.ts";
import { createReflink } from "./driver.ts";

setDefaultTimeout(120_000);
const tools = ["mkfs.btrfs", "mkfs.xfs", "mkfs.ext4", "flock", "wipefs", "fstrim", "blockdev"];
const reason = skipReason("file systems of ember's own", { missing: () => missingForMounts("xfs", tools) });

/** An image and VM 1 from it. */
async function ready({ storage }: StorageUnderTest): Promise<void> {
  await storage.init();
  await importSample(storage);
  await storage.cloneImage({ imageId }, { vmId: vmId(1) }, { sizeBytes: imageBytes });
}

/** An image of 16 MiB that can be compressed. Written by hand: `writeFileSync` takes room ahead, and that stays as it is. */
async function importCompressible(storage: Storage): Promise<void> {
  const path = await storage.stagingPath(imageId);
  const file = openSync(path, "w");
  writeSync(file, Buffer.alloc(16 * mib, "again and again "));
  closeSync(file);
  await storage.importImage({ imageId }, path);
}

async function messageOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "no error",
    (error: unknown) => (error instanceof EmberError ? `${error.code}: ${error.message}` : String(error)),
  );
}

/** A loop device, gone after the test. */
async function loopDevice(sizeBytes: number) {
  const place = scratchFolder();
  const file = join(place.path, "device");
  writeFileSync(file, "");
  truncateSync(file, sizeBytes);
  const path = (await run("losetup", ["--find", "--show", "--partscan", "--", file])).stdout.trim();
  return {
    path,
    file,
    folder: join(place.path, "storage"),
    [Symbol.asyncDispose]: async () => {
      await unmountAll(join(place.path, "storage"));
      await run("losetup", ["--detach", path], { okStatuses: [0, 1] });
      place[Symbol.dispose]();
    },
  };
}

describe.skipIf(reason !== undefined)("file systems of ember's own", () => {
  for (const [name, factory] of Object.entries({ XFS: reflinkOnOwnXfs, btrfs: reflinkOnOwnBtrfs })) {
    test(`${name} in a file grows while a disk is open, and never shrinks`, async () => {
      await using place = await factory.make();
      const { storage, config } = place;
      await ready(place);
      const before = await storage.usage();
      const held = openSync(storage.locate({ vmId: vmId(1) }).path, "r+");
      const grown = (config.backingBytes ?? 0) + 200 * mib;
      try {
        await storage.expand?.(grown);
        await storage.expand?.(grown);
      } finally {
        closeSync(held);
      }
      const after = await storage.usage();
      expect(after.capacityBytes - before.capacityBytes).toBeGreaterThan(190 * mib);
      expect(after.freeBytes - before.freeBytes).toBeGreaterThan(100 * mib);
      expect(statSync(config.backingFile ?? "").size).toBe(grown);
      const expanding = (sizeBytes: number | undefined) =>
        codeOf(storage.expand?.(sizeBytes) ?? Promise.resolve());
      expect(await expanding(grown - mib)).toBe("unsupported");
      expect(await expanding(undefined)).toBe("usage");
      for (const size of [0, -1, grown + 1, Number.NaN]) expect(await expanding(size)).toBe("invalid-size");
      expect(place.notices).toEqual([]);
      const more = Math.ceil((await freeBytes(config.folder.replace(/\/[^/]*$/, ""))) / mib) * mib + 2 ** 30;
      await storage.expand?.(more);
      expect(place.notices).toHaveLength(1);
      await unmountAll(config.folder);
      await place.again().open();
      expect((await storage.usage()).capacityBytes).toBeGreaterThan(more * 0.9);
      await expectVm(storage, 1, { 0: 0x11, [mib]: 0x22 });
    });

    test(`${name} that was made read-only is mounted again by open`, async () => {
      await using place = await factory.make();
      await ready(place);
      await run("mount", ["-o", "remount,ro", place.config.folder]);
      await place.again().open();
      await place.storage.snapshot({ vmId: vmId(1), snapshotId: vmId(5) });
      expect(await mountsAt(place.config.folder)).toBe(1);
    });

    test(`${name} gives back by trim what was deleted`, async () => {
      await using place = await factory.make();
      await ready(place);
      await run("mount", ["-o", "remount,nodiscard", place.config.folder]);
      const file = place.config.backingFile ?? "";
      const filler = join(place.config.folder, "filler");
      writeFileSync(filler, crypto.getRandomValues(Buffer.alloc(65_536)));
      await run("dd", ["if=/dev/urandom", `of=${filler}`, "bs=1M", "count=40", "conv=fsync"]);
      const full = statSync(file).blocks * 512;
      rmSync(filler);
      for (let attempts = 0; attempts < 50 && statSync(file).blocks * 512 > full - 30 * mib; attempts += 1) {
        await run("sync", ["-f", place.config.folder]);
        await place.storage.trim?.();
        await Bun.sleep(100); // XFS frees in the background
      }
      expect(statSync(file).blocks * 512).toBeLessThan(full - 30 * mib);
      await expectVm(place.storage, 1, { 0: 0x11, [mib]: 0x22 });
    });
  }

  test("one that has stopped while a disk is open says what to do", async () => {
    await using place = await reflinkOnOwnXfs.make();
    await ready(place);
    const held = openSync(place.storage.locate({ vmId: vmId(1) }).path, "r+");
    await run("xfs_io", ["-x", "-c", "shutdown", place.config.folder]);
    expect(await messageOf(place.again().open())).toContain("io-failed: the file system of the storage at");
    closeSync(held);
    await place.again().open();
    await expectVm(place.storage, 1, { 0: 0x11, [mib]: 0x22 });
  });

  test("btrfs is compressed, and what it takes is counted as it lies on the disk", async () => {
    await using place = await reflinkOnOwnBtrfs.make();
    const { storage } = place;
    await storage.init();
    await importCompressible(storage);
    await storage.cloneImage({ imageId }, { vmId: vmId(1) }, { sizeBytes: 16 * mib });
    const [image, vm] = await storage.diskUsage();
    expect(image).toMatchObject({ logicalBytes: 16 * mib, exclusiveBytes: 0 });
    expect(image?.referencedBytes).toBeGreaterThan(0);
    expect(image?.referencedBytes).toBeLessThan(mib);
    expect(vm).toMatchObject({ referencedBytes: image?.referencedBytes, exclusiveBytes: 0, freesBytes: 0 });
    const { usedBytes, reservedBytes } = await storage.usage();
    expect(usedBytes - (reservedBytes ?? 0)).toBe(image?.referencedBytes ?? 0);
    await storage.removeVm({ vmId: vmId(1) });
    const [alone] = await storage.diskUsage();
    expect(alone?.exclusiveBytes).toBe(image?.referencedBytes ?? 0);
  });

  test("a compressing btrfs of others tells sizes before compression alone", async () => {
    await using host = await loopMount(["mkfs.btrfs", "-q"], 200 * mib);
    await run("mount", ["-o", "remount,compress=zstd", host.path]);
    const storage = createReflink({ driver: "reflink", folder: join(host.path, "storage") });
    await storage.init();
    await importCompressible(storage);
    expect(await storage.diskUsage()).toEqual([
      {
        disk: { kind: "image", imageId },
        provisionedBytes: 16 * mib,
        referencedBytes: null,
        exclusiveBytes: null,
        logicalBytes: 16 * mib,
        freesBytes: null,
      },
    ]);
    expect(storage.expand).toBeUndefined();
    expect(storage.trim).toBeUndefined();
  });

  test("what files outside the storage share is no disk's own", async () => {
    await using host = await loopMount(["mkfs.xfs", "-q", "-m", "reflink=1"], 301 * mib);
    const folder = join(host.path, "storage");
    const storage = createReflink({ driver: "reflink", folder });
    await storage.init();
    await importSample(storage);
    const image = join(folder, "images", `${imageId}.ext4`);
    await run("cp", ["--reflink=always", image, join(host.path, "copy")]);
    const shared = { referencedBytes: imageBytes, exclusiveBytes: 0, freesBytes: 0 };
    expect(await storage.diskUsage()).toMatchObject([shared]);
    expect((await storage.usage()).reservedBytes).toBeNull();
  });

  test("a file system of others that takes no more writing is named as such", async () => {
    await using host = await loopMount(["mkfs.xfs", "-q", "-m", "reflink=1"], 301 * mib);
    const storage = createReflink({ driver: "reflink", folder: join(host.path, "storage") });
    await storage.init();
    await importSample(storage);
    await run("mount", ["-o", "remount,ro", host.path]);
    await storage.open();
    const clone = storage.cloneImage({ imageId }, { vmId: vmId(1) }, { sizeBytes: imageBytes });
    expect(await messageOf(clone)).toContain(
      "io-failed: cannot clone an image: its file system takes no more",
    );
    expect((await storage.list()).imageIds).toEqual([imageId]);
  });

  test("a device grows with the device, survives a restart, and is bare once purged", async () => {
    await using place = await reflinkOnDevice.make();
    const { storage, config } = place;
    await ready(place);
    expect(await codeOf(storage.expand?.(2 ** 40) ?? Promise.resolve())).toBe("usage");
    const before = (await storage.usage()).capacityBytes;
    const file = (await run("losetup", ["--noheadings", "--output", "BACK-FILE", config.device ?? ""]))
      .stdout;
    truncateSync(file.trim(), 600 * mib);
    await run("losetup", ["--set-capacity", config.device ?? ""]);
    await storage.expand?.(undefined);
    expect((await storage.usage()).capacityBytes - before).toBeGreaterThan(200 * mib);
    await unmountAll(config.folder);
    await Promise.all([place.again().open(), place.again().open()]);
    expect(await mountsAt(config.folder)).toBe(1);
    await expectVm(storage, 1, { 0: 0x11, [mib]: 0x22 });
    await storage.deinit(true);
    expect((await run("wipefs", ["--no-act", "--noheadings", config.device ?? ""])).stdout).toBe("");
  });

  test("a device that is gone, or another one now, is said to be", async () => {
    await using device = await loopDevice(320 * mib);
    const storage = createReflink({ driver: "reflink", folder: device.folder, device: device.path });
    await storage.init();
    await unmountAll(device.folder);
    await run("losetup", ["--detach", device.path]);
    expect(await messageOf(storage.open())).toContain("is gone");
    writeFileSync(`${device.file}.other`, "");
    truncateSync(`${device.file}.other`, 320 * mib);
    await run("losetup", [device.path, `${device.file}.other`]);
    expect(await messageOf(storage.open())).toContain("io-failed: ");
    const absent = createReflink({ driver: "reflink", folder: device.folder, device: "/dev/absent" });
    expect(await messageOf(absent.open())).toBe("io-failed: there is no block device '/dev/absent'");
  });

  test("a device with anything on it is never taken", async () => {
    await using device = await loopDevice(320 * mib);
    const choose = (path = device.path) =>
      chooseReflink({ stateDir: join(device.folder, ".."), device: path });
    expect((await choose()).config).toEqual({
      driver: "reflink",
      folder: device.folder,
      device: device.path,
    });
    const refusal = async (): Promise<string> => {
      const chosen = await messageOf(choose());
      const storage = createReflink({ driver: "reflink", folder: device.folder, device: device.path });
      expect(await messageOf(storage.init())).toContain(chosen);
      await storage.deinit(true); // as undoing the init does: nothing of others goes
      expect(await messageOf(choose())).toBe(chosen);
      return chosen;
    };
    await run("mkfs.ext4", ["-q", device.path]);
    expect(await refusal()).toContain("it holds data already (ext4)");
    await run("mount", ["--mkdir", device.path, join(device.folder, "..", "held")]);
    expect(await refusal()).toContain("it is in use");
    await run("umount", [device.path]);
    await run("wipefs", ["--all", "--quiet", device.path]);
    const table = Buffer.alloc(512); // one partition, as a DOS partition table has it
    table.set([0x80, 0, 2, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 0, 4, 0], 446);
    table.set([0x55, 0xaa], 510);
    await run("dd", [`of=${device.path}`, "conv=fsync"], { input: table });
    await run("blockdev", ["--rereadpt", device.path]);
    expect(await refusal()).toMatch(/it has partitions|it holds data already \(dos\)/); // not all kernels read it
    expect(await messageOf(choose(device.file))).toContain("file-not-found: there is no block device");
    expect(await messageOf(choose("/dev/absent"))).toContain("file-not-found: there is no block device");
  });

  test("a device of ember's is found again, not made again", async () => {
    await using device = await loopDevice(320 * mib);
    const wish = { stateDir: join(device.folder, ".."), device: device.path, fileSystem: "btrfs" as const };
    const first = await chooseReflink(wish);
    expect(first).toMatchObject({ fresh: true, config: { fileSystem: "btrfs", device: device.path } });
    const storage = createReflink(first.config);
    await storage.init();
    await importSample(storage);
    await storage.deinit(false);
    const second = await chooseReflink(wish);
    expect(second).toMatchObject({ fresh: false, config: first.config });
    await createReflink(second.config).init();
    expect((await storage.list()).imageIds).toEqual([imageId]);
    expect(await codeOf(chooseReflink({ ...wish, sizeBytes: 2 ** 30 }))).toBe("usage");
    await storage.deinit(true);
  });
});
