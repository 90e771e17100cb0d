import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { DiskLocation, Storage } from "../../../src/storage/storage.ts";
import { codeOf, diskBytes, expectBytes, imageBytes, imageId, importSample, put, vmId } from "./disks.ts";
import { gib, mib, type StorageFactory } from "./place.ts";

async function ready(storage: Storage): Promise<DiskLocation> {
  await storage.init();
  await importSample(storage);
  return storage.cloneImage({ imageId }, { vmId: vmId(1) }, { sizeBytes: imageBytes });
}

const fork = (
  storage: Storage,
  from: number,
  to: number,
  sizeBytes: number = imageBytes,
): Promise<DiskLocation> => storage.cloneVm({ vmId: vmId(from) }, { vmId: vmId(to) }, { sizeBytes });

/** Cloning images and VMs, and growing the clones. */
export function cloneTests(factory: StorageFactory): void {
  describe("clones", () => {
    test("a clone has the image's content and the wanted size", async () => {
      await using place = await factory.make();
      const { storage } = place;
      const same = await ready(storage);
      expect(storage.locate({ vmId: vmId(1) })).toEqual(same);
      expect(await diskBytes(same)).toBe(imageBytes);
      await expectBytes(same, { 0: 0x11, [mib]: 0x22 });
      const larger = await storage.cloneImage({ imageId }, { vmId: vmId(2) }, { sizeBytes: 64 * gib });
      expect(await diskBytes(larger)).toBe(64 * gib);
      await expectBytes(larger, { 0: 0x11, [mib]: 0x22, [imageBytes]: 0, [64 * gib - 65_536]: 0 });
    });

    test("writes to one clone reach neither the other nor the image", async () => {
      await using place = await factory.make();
      const { storage } = place;
      const first = await ready(storage);
      const second = await storage.cloneImage({ imageId }, { vmId: vmId(2) }, { sizeBytes: imageBytes });
      await put(first, 0, 0x33);
      await put(second, mib, 0x44);
      const third = await storage.cloneImage({ imageId }, { vmId: vmId(3) }, { sizeBytes: imageBytes });
      await expectBytes(first, { 0: 0x33, [mib]: 0x22 });
      await expectBytes(second, { 0: 0x11, [mib]: 0x44 });
      await expectBytes(third, { 0: 0x11, [mib]: 0x22 });
    });

    test("after a fork, writes to the source do not reach the fork, nor the reverse", async () => {
      await using place = await factory.make();
      const { storage } = place;
      const source = await ready(storage);
      await put(source, 65_536, 0x33);
      const copy = await fork(storage, 1, 2);
      await put(source, 0, 0x44);
      await put(source, 65_536, 0x45);
      await put(copy, mib, 0x55);
      await expectBytes(source, { 0: 0x44, 65536: 0x45, [mib]: 0x22 });
      await expectBytes(copy, { 0: 0x11, 65536: 0x33, [mib]: 0x55 });
      expect(await diskBytes(source)).toBe(imageBytes);
      expect(await diskBytes(copy)).toBe(imageBytes);
    });

    test("five forks in a chain each keep what they had, whichever is removed", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await put(await ready(storage), 0, 0x41);
      for (let number = 2; number <= 6; number += 1) {
        await put(await fork(storage, number - 1, number), (number - 1) * 65_536, 0x40 + number);
      }
      await put(storage.locate({ vmId: vmId(3) }), 0, 0x77); // after 4 was forked from it
      const inherited = { 0: 0x41, 65536: 0x42, 131072: 0x43, 196608: 0x44 };
      await expectBytes(storage.locate({ vmId: vmId(3) }), { ...inherited, 0: 0x77, 196608: 0x11 });
      for (const removed of [1, 3, 2, 5]) {
        await storage.removeVm({ vmId: vmId(removed) });
        await expectBytes(storage.locate({ vmId: vmId(4) }), { ...inherited, 262144: 0x11 });
        await expectBytes(storage.locate({ vmId: vmId(6) }), { ...inherited, 262144: 0x45, 327680: 0x46 });
      }
      expect((await storage.list()).vmIds).toEqual([vmId(4), vmId(6)]);
    });

    test("an image with clones is removed without harm, or kept with a reason", async () => {
      await using place = await factory.make();
      const { storage } = place;
      const disk = await ready(storage);
      await fork(storage, 1, 2);
      const code = await codeOf(storage.removeImage({ imageId }));
      expect(code).toBe(storage.capabilities.independentClones ? "no error" : "has-dependants");
      await expectBytes(disk, { 0: 0x11, [mib]: 0x22 });
      await storage.removeVm({ vmId: vmId(1) });
      await storage.removeVm({ vmId: vmId(2) });
      await storage.removeImage({ imageId });
      expect(await storage.list()).toEqual({ imageIds: [], vmIds: [], snapshots: [] });
    });

    test("cloning again succeeds for the same size, and refuses another without touching the disk", async () => {
      await using place = await factory.make();
      const { storage } = place;
      const disk = await ready(storage);
      await put(disk, 0, 0x33);
      expect(await storage.cloneImage({ imageId }, { vmId: vmId(1) }, { sizeBytes: imageBytes })).toEqual(
        disk,
      );
      const again = storage.cloneImage({ imageId }, { vmId: vmId(1) }, { sizeBytes: gib });
      expect(await codeOf(again)).toBe("vm-exists");
      await fork(storage, 1, 2);
      await put(storage.locate({ vmId: vmId(2) }), 0, 0x44);
      await fork(storage, 1, 2);
      expect(await codeOf(fork(storage, 1, 2, gib))).toBe("vm-exists");
      await expectBytes(disk, { 0: 0x33 });
      await expectBytes(storage.locate({ vmId: vmId(2) }), { 0: 0x44 });
    });

    test("clones of what is not there, and of impossible sizes, are refused and leave nothing", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await ready(storage);
      const absent = { imageId: "ffffffffffff" };
      const target = { vmId: vmId(9) };
      expect(await codeOf(storage.cloneImage(absent, target, { sizeBytes: gib }))).toBe("image-not-found");
      expect(await codeOf(fork(storage, 8, 9))).toBe("vm-not-found");
      for (const sizeBytes of [
        imageBytes - 512,
        0,
        -gib,
        imageBytes + 1,
        imageBytes + 0.5,
        Number.NaN,
        2 ** 60,
      ]) {
        expect(await codeOf(storage.cloneImage({ imageId }, target, { sizeBytes }))).toBe("invalid-size");
        expect(await codeOf(fork(storage, 1, 9, sizeBytes))).toBe("invalid-size");
      }
      expect((await storage.list()).vmIds).toEqual([vmId(1)]);
      expect(existsSync(storage.locate(target).path)).toBe(false);
      expect(readdirSync(join(place.config.folder, "staging"))).toEqual([]);
    });

    test("growing keeps the content, adds zeros, works twice, and never shrinks", async () => {
      await using place = await factory.make();
      const { storage } = place;
      const disk = await ready(storage);
      await put(disk, mib, 0x33);
      const copy = await fork(storage, 1, 2);
      const vm = { vmId: vmId(1) };
      await storage.grow(vm, gib);
      await storage.grow(vm, gib);
      expect(await diskBytes(disk)).toBe(gib);
      expect(await diskBytes(copy)).toBe(imageBytes);
      await put(disk, gib - 65_536, 0x44);
      await expectBytes(disk, { 0: 0x11, [mib]: 0x33, [imageBytes]: 0, [gib - 65_536]: 0x44 });
      expect(await codeOf(storage.grow(vm, imageBytes))).toBe("unsupported");
      expect(await codeOf(storage.grow(vm, gib + 100))).toBe("invalid-size");
      expect(await codeOf(storage.grow(vm, Number.NaN))).toBe("invalid-size");
      expect(await codeOf(storage.grow({ vmId: vmId(9) }, gib))).toBe("vm-not-found");
      const second = await fork(storage, 1, 3, 2 * gib);
      await expectBytes(second, { 0: 0x11, [mib]: 0x33, [gib - 65_536]: 0x44, [gib]: 0 });
    });

    test("ten clones of an image and ten forks of a VM at once all come out right", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await put(await ready(storage), 0, 0x33);
      const numbers = Array.from({ length: 10 }, (_, index) => 10 + index);
      const other = place.again();
      await Promise.all(
        numbers.flatMap((number) => [
          (number % 2 === 0 ? storage : other).cloneImage(
            { imageId },
            { vmId: vmId(number) },
            { sizeBytes: imageBytes },
          ),
          fork(number % 2 === 0 ? other : storage, 1, number + 100),
        ]),
      );
      expect((await storage.list()).vmIds).toHaveLength(21);
      for (const number of numbers) {
        await expectBytes(storage.locate({ vmId: vmId(number) }), { 0: 0x11, [mib]: 0x22 });
        await expectBytes(storage.locate({ vmId: vmId(number + 100) }), { 0: 0x33, [mib]: 0x22 });
      }
      await put(storage.locate({ vmId: vmId(1) }), 0, 0x44);
      await expectBytes(storage.locate({ vmId: vmId(110) }), { 0: 0x33 });
      await Promise.all(numbers.map((number) => other.removeVm({ vmId: vmId(number + 100) })));
      await expectBytes(storage.locate({ vmId: vmId(1) }), { 0: 0x44, [mib]: 0x22 });
    });
  });
}
