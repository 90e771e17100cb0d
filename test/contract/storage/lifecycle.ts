import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import {
  codeOf,
  diskBytes,
  expectVm,
  imageBytes,
  imageId,
  importSample,
  incompressible,
  putVm,
  vmId,
  withDisk,
} from "./disks.ts";
import { mib, type StorageFactory } from "./place.ts";

/** Setting up, importing, listing, measuring, taking down. */
export function lifecycleTests(factory: StorageFactory): void {
  describe("lifecycle", () => {
    test("init twice keeps what is there, and makes private folders", async () => {
      await using place = await factory.make();
      const { storage, config } = place;
      await storage.init();
      await importSample(storage);
      await storage.init();
      await place.again().init();
      await storage.open();
      expect((await storage.list()).imageIds).toEqual([imageId]);
      for (const name of readdirSync(config.folder)) {
        expect({ name, others: statSync(join(config.folder, name)).mode & 0o077 }).toEqual({
          name,
          others: 0,
        });
      }
      expect(statSync(config.folder).mode & 0o077).toBe(0);
    });

    test("opening what was never made says so", async () => {
      await using place = await factory.make();
      expect(await codeOf(place.storage.open())).toBe("io-failed");
    });

    test("deinit keeps the data unless told to purge, and works twice", async () => {
      await using place = await factory.make();
      const { storage, config } = place;
      await storage.deinit(false);
      await storage.init();
      await importSample(storage);
      await storage.deinit(false);
      await storage.deinit(false);
      await storage.init();
      expect((await storage.list()).imageIds).toEqual([imageId]);
      await storage.deinit(true);
      await storage.deinit(true);
      expect(existsSync(config.folder)).toBe(false);
      expect(existsSync(config.backingFile ?? config.folder)).toBe(false);
    });

    test("purging leaves alone what is not ember's", async () => {
      await using place = await factory.make();
      if (factory.facts.mountsFolder) return; // that whole file system is ember's
      await place.storage.init();
      const other = join(place.config.folder, "thesis.txt");
      writeFileSync(other, "years of work");
      await place.storage.deinit(true);
      expect(existsSync(other)).toBe(true);
    });

    test("importing takes the file over, read-only, and works twice", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await storage.init();
      await importSample(storage);
      const path = await storage.stagingPath(imageId);
      expect(existsSync(path)).toBe(false);
      await storage.importImage({ imageId }, path);
      expect((await storage.list()).imageIds).toEqual([imageId]);
      if (!factory.facts.diskFiles) return;
      expect(statSync(join(place.config.folder, "images", `${imageId}.ext4`)).mode & 0o777).toBe(0o400);
    });

    test("importing over an image keeps the one that others are cloned from", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await storage.init();
      await importSample(storage);
      await storage.cloneImage({ imageId }, { vmId: vmId(1) }, { sizeBytes: imageBytes });
      const path = await storage.stagingPath(imageId);
      writeFileSync(path, Buffer.alloc(mib, 0x99));
      await storage.importImage({ imageId }, path);
      expect(existsSync(path)).toBe(false);
      await expectVm(storage, 1, { 0: 0x11, [mib]: 0x22 });
      await storage.cloneImage({ imageId }, { vmId: vmId(2) }, { sizeBytes: imageBytes });
      await expectVm(storage, 2, { 0: 0x11, [mib]: 0x22 });
    });

    test("importing refuses what is not a disk of the storage's own", async () => {
      await using place = await factory.make();
      const { storage, config } = place;
      await storage.init();
      const staged = await storage.stagingPath(imageId);
      const staging = dirname(staged);
      const importing = (path: string) => codeOf(storage.importImage({ imageId }, path));
      expect(await importing(staged)).toBe("file-not-found");
      writeFileSync(join(staging, "..", `${basename(config.folder)}-outside`), Buffer.alloc(4096));
      expect(await importing(`${staging}/../${basename(config.folder)}-outside`)).toBe("io-failed");
      expect(await importing("/etc/hostname")).toBe("io-failed");
      symlinkSync("/etc/hostname", join(staging, "link"));
      expect(await importing(join(staging, "link"))).toBe("image-invalid");
      writeFileSync(staged, "");
      expect(await importing(staged)).toBe("image-invalid");
      writeFileSync(staged, Buffer.alloc(1000));
      expect(await importing(staged)).toBe("image-invalid");
      expect((await storage.list()).imageIds).toEqual([]);
    });

    test("removing works twice, lists what is left, and takes staged files along", async () => {
      await using place = await factory.make();
      const { storage, config } = place;
      await storage.init();
      await importSample(storage);
      for (const number of [1, 2]) {
        await storage.cloneImage({ imageId }, { vmId: vmId(number) }, { sizeBytes: imageBytes });
      }
      if (factory.facts.diskFiles) writeFileSync(join(config.folder, "vms", "notes.txt"), "not a disk");
      expect(await storage.list()).toEqual({ imageIds: [imageId], vmIds: [vmId(1), vmId(2)], snapshots: [] });
      await storage.removeVm({ vmId: vmId(1) });
      await storage.removeVm({ vmId: vmId(1) });
      expect((await storage.list()).vmIds).toEqual([vmId(2)]);
      await storage.removeVm({ vmId: vmId(2) });
      writeFileSync(await storage.stagingPath(imageId), "half an image");
      await storage.removeImage({ imageId });
      await storage.removeImage({ imageId });
      expect(await storage.list()).toEqual({ imageIds: [], vmIds: [], snapshots: [] });
      if (factory.facts.diskFiles) rmSync(join(config.folder, "vms", "notes.txt"));
      expect(await place.leftovers()).toEqual([]);
    });

    test("usage adds up, and a clone takes hardly any space", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await storage.init();
      const path = await storage.stagingPath(imageId);
      writeFileSync(path, incompressible(32 * mib));
      await storage.importImage({ imageId }, path);
      const before = await storage.usage();
      expect(before.capacityBytes).toBeGreaterThan(0);
      expect(before.usedBytes).toBeLessThanOrEqual(before.capacityBytes);
      expect(before.freeBytes).toBeLessThanOrEqual(before.capacityBytes - before.usedBytes);
      if (before.reservedBytes !== null) {
        expect(before.reservedBytes).toBeGreaterThanOrEqual(0);
        expect(before.reservedBytes).toBeLessThanOrEqual(before.usedBytes);
      }
      const disk = await storage.cloneImage({ imageId }, { vmId: vmId(1) }, { sizeBytes: 32 * mib });
      expect((await storage.usage()).usedBytes).toBeLessThan(before.usedBytes + 8 * mib);
      expect(await storage.occupiedBytes({ vmId: vmId(1) })).toBeGreaterThanOrEqual(32 * mib);
      expect(await storage.occupiedBytes({ vmId: vmId(1) })).toBeLessThan(40 * mib);
      if (factory.facts.diskFiles) expect(statSync(disk.path).mode & 0o777).toBe(0o600);
      expect(await codeOf(storage.occupiedBytes({ vmId: vmId(2) }))).toBe("vm-not-found");
    });

    test("a storage with a size of its own grows under its disks, and never shrinks", async () => {
      await using place = await factory.make();
      const { storage, config } = place;
      if (storage.expand === undefined) return; // its size is another's
      await storage.init();
      await importSample(storage);
      await storage.cloneImage({ imageId }, { vmId: vmId(1) }, { sizeBytes: imageBytes });
      const { capacityBytes } = await storage.usage();
      if (config.device === undefined) {
        const grownBytes = Math.max(config.backingBytes ?? 0, capacityBytes) + 256 * mib;
        await storage.expand(grownBytes);
        await place.again().expand?.(grownBytes);
        expect((await storage.usage()).capacityBytes).toBeGreaterThan(capacityBytes + 200 * mib);
        expect(await codeOf(storage.expand(grownBytes - 64 * mib))).toBe("unsupported");
        expect(await codeOf(storage.expand(Number.NaN))).toBe("invalid-size");
      } else {
        await storage.expand(undefined); // all of the device, which is what it has
        expect((await storage.usage()).capacityBytes).toBe(capacityBytes);
      }
      await storage.trim?.();
      await place.again().open();
      await expectVm(storage, 1, { 0: 0x11, [mib]: 0x22 });
    });

    test("a folder whose path has spaces and 150 bytes works", async () => {
      const odd = `it's a "long" path, ${"with spaces ".repeat(9)}ä:b%20\\`;
      const folderName = `${odd}${"x".repeat(150)}`.slice(0, 150);
      await using place = await factory.make({ folderName });
      const { storage } = place;
      mkdirSync(join(place.config.folder, ".."), { recursive: true });
      await storage.init();
      await storage.open();
      await importSample(storage);
      await storage.cloneImage({ imageId }, { vmId: vmId(1) }, { sizeBytes: imageBytes });
      await putVm(storage, 1, 0, 0x33);
      await storage.cloneVm({ vmId: vmId(1) }, { vmId: vmId(2) }, { sizeBytes: 4 * mib });
      await expectVm(storage, 2, { 0: 0x33, [mib]: 0x22, [3 * mib]: 0 });
      expect(await withDisk(storage, 2, diskBytes)).toBe(4 * mib);
      await storage.deinit(true);
    });
  });
}
