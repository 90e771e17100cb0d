import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import {
  codeOf,
  diskBytes,
  expectBytes,
  expectVm,
  imageBytes,
  imageId,
  importSample,
  incompressible,
  put,
  putVm,
  vmId,
  withDisk,
} from "../../../test/contract/storage/disks.ts";
import { dmThinOnFiles, fillPool, forceDown } from "../../../test/contract/storage/factory-dm-thin.ts";
import { contextIn } from "../../../test/contract/storage/numbers.ts";
import {
  loopMount,
  mib,
  type StorageUnderTest,
  scratchFolder,
  skipReason,
} from "../../../test/contract/storage/place.ts";
import { createDevice, findDevice, sendMessage, statusOf, suspendDevice } from "../../host/dmsetup.ts";
import { attachLoop, detachLoops, loopsOf } from "../../host/losetup.ts";
import { run } from "../../host/run.ts";
import { createDmThin } from "./driver.ts";
import { type ThinLayout, thinLayoutOf, vmDevice } from "./layout.ts";
import { readDisks } from "./records.ts";
import { poolTable } from "./sizes.ts";

setDefaultTimeout(600_000); // a guard against hanging, with the kernel in an emulated machine
const reason = skipReason("dm-thin: pools in files", dmThinOnFiles);
const vm = { vmId: vmId(1) };
const kept = { ...vm, snapshotId: "aaaaaaaa" };

interface Made extends AsyncDisposable {
  readonly place: StorageUnderTest;
  readonly layout: ThinLayout;
}

/** A storage with an image, and VM 1 from it. */
async function made(options: { readonly small?: boolean } = {}): Promise<Made> {
  const place = await dmThinOnFiles.make(options);
  try {
    await place.storage.init();
    await importSample(place.storage);
    await place.storage.cloneImage({ imageId }, vm, { sizeBytes: imageBytes });
  } catch (error) {
    await place[Symbol.asyncDispose]();
    throw error;
  }
  return {
    place,
    layout: thinLayoutOf(place.config),
    [Symbol.asyncDispose]: () => place[Symbol.asyncDispose](),
  };
}

const thinIds = (layout: ThinLayout): number[] => readDisks(layout).map(({ record }) => record.thinId);

describe.skipIf(reason !== undefined)("a pool in files", () => {
  test("warns when it is nearly full, and then refuses all that is new, and to start", async () => {
    await using it = await made({ small: true });
    const { storage, notices } = it.place;
    const snapshot = { ...vm, snapshotId: "bbbbbbbb" };
    expect(notices).toEqual([]);
    const release = await fillPool(it.layout, 17 * mib); // and 2 MiB of 22 before
    await storage.snapshot(kept);
    expect(notices.join("\n")).toMatch(/^the storage is 8\d % full/);
    const releaseAll = await fillPool(it.layout, undefined, 1);
    expect(await codeOf(storage.snapshot(snapshot))).toBe("disk-full");
    expect(await codeOf(storage.cloneImage({ imageId }, { vmId: vmId(2) }, { sizeBytes: mib * 2 }))).toBe(
      "disk-full",
    );
    expect(await codeOf(storage.cloneSnapshot(kept, { vmId: vmId(2) }, { sizeBytes: mib * 2 }))).toBe(
      "disk-full",
    );
    expect(await codeOf(storage.restore(kept))).toBe("disk-full");
    expect(await codeOf(storage.activate(vm))).toBe("disk-full");
    expect(await codeOf(importSample(storage, vmId(7)))).toBe("disk-full");
    const failure = await storage.activate(vm).catch((error: unknown) => error);
    expect(failure).toMatchObject({ hint: expect.stringContaining("ember storage grow") });
    await storage.expand?.(48 * mib);
    await expectVm(storage, 1, { 0: 0x11, [mib]: 0x22 });
    await releaseAll();
    await release();
    await storage.snapshot(snapshot);
    await rm(it.place, vmId(7));
    expect(await it.place.leftovers()).toEqual([]);
  });

  test("refuses an image that it has no room for before it writes any of it", async () => {
    await using it = await made({ small: true });
    const before = (await it.place.storage.usage()).usedBytes;
    expect(await codeOf(importSample(it.place.storage, vmId(7), 21 * mib))).toBe("disk-full");
    expect((await it.place.storage.usage()).usedBytes).toBe(before);
    await rm(it.place, vmId(7));
    expect(await it.place.leftovers()).toEqual([]);
  });

  test("comes back after a reboot, once, however many commands open it at once", async () => {
    await using it = await made();
    await sendMessage(it.layout.pool, "reserve_metadata_snap"); // as a command that measured and was killed
    await putVm(it.place.storage, 1, 65_536, 0x33);
    await forceDown(it.layout);
    expect(findDevice(it.layout.pool)).toBeUndefined();
    await Promise.all(Array.from({ length: 3 }, () => it.place.again().open()));
    expect(loopsOf(it.layout.dataFile)).toHaveLength(1);
    expect(loopsOf(it.layout.metadataFile)).toHaveLength(1);
    await expectVm(it.place.storage, 1, { 0: 0x11, 65536: 0x33, [mib]: 0x22 });
    const usages = await it.place.storage.diskUsage();
    expect(usages.find(({ disk }) => disk.kind === "vm")?.exclusiveBytes).toBe(65_536);
  });

  test("that takes no changes any more says so, and works again after a check", async () => {
    await using it = await made();
    const { storage } = it.place;
    await storage.deinit(false);
    await setNeedsCheck(it.layout);
    const devices = [await attachLoop(it.layout.metadataFile), await attachLoop(it.layout.dataFile)] as const;
    await createDevice(it.layout.pool, poolTable(...devices, statSync(it.layout.dataFile).size));
    expect(await codeOf(storage.activate(vm))).toBe("io-failed");
    expect(await codeOf(storage.snapshot(kept))).toBe("io-failed");
    expect(await codeOf(storage.diskUsage())).toBe("io-failed");
    expect((await storage.list()).vmIds).toEqual([vm.vmId]);
    await storage.deinit(false);
    await storage.init();
    await expectVm(storage, 1, { 0: 0x11, [mib]: 0x22 });
  });

  test("on a full host file system reports a full disk, not an input/output error", async () => {
    await using host = await loopMount(["mkfs.ext4", "-q", "-F", "-m", "0"], 100 * mib);
    using numbers = scratchFolder();
    using context = contextIn(numbers.path);
    const folder = join(host.path, "storage");
    const config = { driver: "dm-thin", folder, backingBytes: 400 * mib };
    const storage = createDmThin(config, context);
    try {
      await storage.init();
      await importSample(storage);
      expect((await storage.usage()).freeBytes).toBeLessThan(100 * mib);
      const filler = join(host.path, "filler");
      await run("dd", ["if=/dev/zero", `of=${filler}`, "bs=1M"], {
        okStatuses: [1],
        timeoutMs: 600_000,
      }).catch(() => undefined);
      const failure = await storage
        .cloneImage({ imageId }, vm, { sizeBytes: imageBytes })
        .catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: "disk-full", message: expect.stringContaining("file system") });
      rmSync(filler);
      await storage.cloneImage({ imageId }, vm, { sizeBytes: imageBytes });
      await expectVm(storage, 1, { 0: 0x11, [mib]: 0x22 });
      await storage.deinit(true);
    } finally {
      await forceDown(thinLayoutOf(config));
    }
  });

  test("lets a disk go on that a killed command left suspended", async () => {
    await using it = await made();
    const { storage } = it.place;
    await storage.activate(vm);
    const name = vmDevice(it.layout, vm);
    await suspendDevice(name);
    writeFileSync(join(it.layout.staging, deadScratch), "");
    await it.place.again().open();
    expect(findDevice(name)?.suspended).toBe(false);
    await suspendDevice(name);
    await storage.activate(vm);
    expect(findDevice(name)?.suspended).toBe(false);
    await suspendDevice(name);
    await storage.deactivate(vm);
    expect(await it.place.leftovers()).toEqual([]);
  });

  test("whose metadata is damaged is not used, and says what to do", async () => {
    await using it = await made();
    await it.place.storage.deinit(false);
    const file = openSync(it.layout.metadataFile, "r+");
    writeSync(file, Buffer.alloc(4096, 0x5a), 0, 4096, 0);
    const failure = await it.place.storage.open().catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "io-failed", hint: expect.stringContaining("thin_repair") });
    writeSync(file, Buffer.alloc(4096, 0), 0, 4096, 0); // the kernel would make a new, empty pool of this
    closeSync(file);
    expect(await codeOf(it.place.storage.open())).toBe("io-failed");
    expect(await codeOf(it.place.storage.init())).toBe("io-failed");
    expect(findDevice(it.layout.pool)).toBeUndefined();
    expect(loopsOf(it.layout.metadataFile)).toEqual([]);
  });

  test("that lost its file is said to be, and can be taken down", async () => {
    await using it = await made();
    rmSync(it.layout.dataFile);
    expect(await codeOf(it.place.storage.open())).toBe("io-failed");
    await it.place.storage.deinit(false);
    expect(findDevice(it.layout.pool)).toBeUndefined();
    expect(await codeOf(it.place.storage.open())).toBe("io-failed");
    expect(await codeOf(it.place.storage.init())).toBe("io-failed"); // there are disks: never begun anew over
    await it.place.storage.deinit(true);
    expect(existsSync(it.layout.folder)).toBe(false);
  });

  test("never shows a VM what another wrote, not in parts of a block either", async () => {
    await using it = await made({ small: true });
    const { storage } = it.place;
    await storage.grow(vm, 20 * mib);
    await withDisk(storage, 1, (disk) => {
      const file = openSync(disk.path, "r+");
      writeSync(file, Buffer.alloc(17 * mib, 0x5a), 0, 17 * mib, 2 * mib);
      closeSync(file);
    });
    await storage.removeVm(vm);
    await storage.cloneImage({ imageId }, { vmId: vmId(2) }, { sizeBytes: 20 * mib });
    await withDisk(storage, 2, (disk) => {
      const file = openSync(disk.path, "r+");
      for (let at = 2 * mib; at < 19 * mib; at += 65_536) writeSync(file, Buffer.alloc(512, 1), 0, 512, at);
      closeSync(file);
    });
    await withDisk(storage, 2, (disk) => {
      const content = Buffer.alloc(17 * mib);
      const file = openSync(disk.path, "r");
      readSync(file, content, 0, content.length, 2 * mib);
      closeSync(file);
      expect(content.includes(0x5a)).toBe(false);
    });
  });

  test("gives what is deleted back to the file system below", async () => {
    await using it = await made();
    const { storage } = it.place;
    const blocks = (): number => statSync(it.layout.dataFile).blocks * 512;
    const before = blocks();
    await storage.grow(vm, 40 * mib);
    await withDisk(storage, 1, (disk) => {
      const file = openSync(disk.path, "r+");
      writeSync(file, incompressible(20 * mib), 0, 20 * mib, 4 * mib);
      closeSync(file);
    });
    await run("sync", ["-f", it.layout.dataFile]);
    expect(blocks() - before).toBeGreaterThanOrEqual(20 * mib);
    await storage.removeVm(vm);
    await run("sync", ["-f", it.layout.dataFile]);
    expect(blocks() - before).toBeLessThan(2 * mib);
  });

  test("keeps numbers of devices apart, also when the database has forgotten them", async () => {
    await using it = await made();
    const { storage, config } = it.place;
    await storage.cloneVm(vm, { vmId: vmId(2) }, { sizeBytes: imageBytes });
    await putVm(storage, 2, 0, 0x33);
    using folder = scratchFolder();
    using context = contextIn(folder.path);
    const forgetful = createDmThin(config, context);
    await forgetful.cloneVm({ vmId: vmId(2) }, { vmId: vmId(3) }, { sizeBytes: imageBytes });
    expect(new Set(thinIds(it.layout)).size).toBe(4);
    await expectVm(forgetful, 3, { 0: 0x33, [mib]: 0x22 });
    await forgetful.removeVm({ vmId: vmId(2) });
    await forgetful.snapshot(kept);
    expect(new Set(thinIds(it.layout)).size).toBe(4);
    await expectVm(forgetful, 1, { 0: 0x11, [mib]: 0x22 });
  });

  test("says what becomes free with a VM and the snapshots that share with it alone", async () => {
    await using it = await made();
    const { storage } = it.place;
    await storage.grow(vm, 16 * mib);
    await putRandom(it.place, 4 * mib, 3 * mib);
    await storage.snapshot(kept);
    await putRandom(it.place, 5 * mib, mib);
    const found = new Map((await storage.diskUsage()).map((usage) => [usage.disk.kind, usage]));
    expect(found.get("vm")).toMatchObject({
      referencedBytes: 5 * mib,
      exclusiveBytes: mib,
      freesBytes: 4 * mib,
    });
    expect(found.get("snapshot")).toMatchObject({ exclusiveBytes: mib, freesBytes: mib });
    const before = (await storage.usage()).usedBytes;
    await storage.removeVm(vm);
    expect(before - (await storage.usage()).usedBytes).toBe(4 * mib);
    expect(await statusOf(it.layout.pool)).toMatch(/ - rw /); // no metadata snapshot is left held
  });

  test("is made larger while a disk is open, which may grow, fork and be snapshotted then", async () => {
    await using it = await made();
    const { storage } = it.place;
    const disk = await storage.activate(vm);
    const held = openSync(disk.path, "r+");
    try {
      await storage.expand?.(600 * mib);
      await storage.expand?.(600 * mib);
      expect((await storage.usage()).capacityBytes).toBe(600 * mib);
      expect(await codeOf(storage.expand?.(500 * mib) ?? Promise.resolve())).toBe("unsupported");
      expect(await codeOf(storage.expand?.(700 * mib + 1) ?? Promise.resolve())).toBe("invalid-size");
      expect(await codeOf(storage.expand?.(undefined) ?? Promise.resolve())).toBe("usage");
      await storage.grow(vm, 2 * imageBytes);
      expect(await diskBytes(disk)).toBe(2 * imageBytes);
      await put(disk, imageBytes, 0x33);
      await storage.snapshot(kept);
      await storage.cloneVm(vm, { vmId: vmId(2) }, { sizeBytes: 2 * imageBytes });
      await put(disk, imageBytes, 0x44);
      await expectBytes(disk, { 0: 0x11, [imageBytes]: 0x44 });
      expect(await codeOf(storage.restore(kept))).toBe("wrong-state");
      expect(await codeOf(storage.removeVm(vm))).toBe("busy");
    } finally {
      closeSync(held);
    }
    await storage.deactivate(vm);
    await expectVm(storage, 2, { 0: 0x11, [imageBytes]: 0x33 });
    await storage.restore(kept);
    await expectVm(storage, 1, { 0: 0x11, [imageBytes]: 0x33 });
  });

  test("whose snapshot is being read keeps it", async () => {
    await using it = await made();
    const { storage } = it.place;
    await storage.snapshot(kept);
    {
      await using disk = await storage.readSnapshot(kept);
      expect(await codeOf(storage.removeSnapshot(kept))).toBe("busy");
      await expectBytes(disk, { 0: 0x11 });
    }
    await storage.removeSnapshot(kept);
    expect(await it.place.leftovers()).toEqual([]);
  });

  test("is never made of files that are not ember's", async () => {
    await using place = await dmThinOnFiles.make();
    const { dataFile } = thinLayoutOf(place.config);
    writeFileSync(dataFile, "somebody's file");
    expect(await codeOf(place.storage.init())).toBe("io-failed");
    expect(statSync(dataFile).size).toBe("somebody's file".length);
  });
});

/** As the kernel does when it could not write metadata. */
/** Over a loop device: these tools want direct access, which not every file system gives. */
async function setNeedsCheck(layout: ThinLayout): Promise<void> {
  const dump = `${layout.metadataFile}.xml`;
  const device = await attachLoop(layout.metadataFile);
  try {
    await run("thin_dump", ["-o", dump, device]);
    writeFileSync(dump, readFileSync(dump, "utf8").replace('flags="0"', 'flags="1"'));
    await run("thin_restore", ["-i", dump, "-o", device]);
  } finally {
    await detachLoops(layout.metadataFile);
    rmSync(dump, { force: true });
  }
}

const deadScratch = `new-${vm.vmId}-999999999-${"0".repeat(12)}-00000000.tmp`;

async function rm(place: StorageUnderTest, id: string): Promise<void> {
  await place.storage.removeImage({ imageId: id });
}

async function putRandom(place: StorageUnderTest, at: number, bytes: number): Promise<void> {
  await withDisk(place.storage, 1, (disk) => {
    const file = openSync(disk.path, "r+");
    writeSync(file, incompressible(bytes), 0, bytes, at);
    closeSync(file);
  });
}
