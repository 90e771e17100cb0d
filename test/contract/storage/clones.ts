import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import type { DiskLocation, Storage } from "../../../src/storage/storage.ts";
import {
  codeOf,
  diskBytes,
  expectVm,
  imageBytes,
  imageId,
  importSample,
  putVm,
  removeSource,
  vmId,
  withDisk,
} from "./disks.ts";
import { gib, mib, type StorageFactory } from "./place.ts";

/** An image, and VM 1 cloned from it. */
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

const sizeOf = (storage: Storage, number: number): Promise<number> =>
  withDisk(storage, number, (disk) => diskBytes(disk));

/** Cloning images and VMs, and growing the clones. */
export function cloneTests(factory: StorageFactory): void {
  describe("clones", () => {
    test("a clone has the image's content and the wanted size", async () => {
      await using place = await factory.make();
      const { storage } = place;
      const same = await ready(storage);
      const first = { vmId: vmId(1) };
      expect(storage.locate(first)).toEqual(same);
      expect(await storage.activate(first)).toEqual(same);
      expect(await storage.activate(first)).toEqual(same);
      expect(await sizeOf(storage, 1)).toBe(imageBytes);
      await storage.deactivate(first);
      await expectVm(storage, 1, { 0: 0x11, [mib]: 0x22 });
      await storage.cloneImage({ imageId }, { vmId: vmId(2) }, { sizeBytes: 64 * gib });
      expect(await sizeOf(storage, 2)).toBe(64 * gib);
      await expectVm(storage, 2, { 0: 0x11, [mib]: 0x22, [imageBytes]: 0, [64 * gib - 65_536]: 0 });
    });

    test("writes to one clone reach neither the other nor the image", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await ready(storage);
      await storage.cloneImage({ imageId }, { vmId: vmId(2) }, { sizeBytes: imageBytes });
      await putVm(storage, 1, 0, 0x33);
      await putVm(storage, 2, mib, 0x44);
      await storage.cloneImage({ imageId }, { vmId: vmId(3) }, { sizeBytes: imageBytes });
      await expectVm(storage, 1, { 0: 0x33, [mib]: 0x22 });
      await expectVm(storage, 2, { 0: 0x11, [mib]: 0x44 });
      await expectVm(storage, 3, { 0: 0x11, [mib]: 0x22 });
    });

    test("after a fork, writes to the source do not reach the fork, nor the reverse", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await ready(storage);
      await putVm(storage, 1, 65_536, 0x33);
      await fork(storage, 1, 2);
      await putVm(storage, 1, 0, 0x44);
      await putVm(storage, 1, 65_536, 0x45);
      await putVm(storage, 2, mib, 0x55);
      await expectVm(storage, 1, { 0: 0x44, 65536: 0x45, [mib]: 0x22 });
      await expectVm(storage, 2, { 0: 0x11, 65536: 0x33, [mib]: 0x55 });
      expect(await sizeOf(storage, 1)).toBe(imageBytes);
      expect(await sizeOf(storage, 2)).toBe(imageBytes);
    });

    test("five forks in a chain each keep what they had, whichever is removed", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await ready(storage);
      await putVm(storage, 1, 0, 0x41);
      for (let number = 2; number <= 6; number += 1) {
        await fork(storage, number - 1, number);
        await putVm(storage, number, (number - 1) * 65_536, 0x40 + number);
      }
      await putVm(storage, 3, 0, 0x77); // after 4 was forked from it
      const inherited = { 0: 0x41, 65536: 0x42, 131072: 0x43, 196608: 0x44 };
      await expectVm(storage, 3, { ...inherited, 0: 0x77, 196608: 0x11 });
      for (const removed of [1, 3, 2, 5]) {
        await removeSource(storage, removed);
        await expectVm(storage, 4, { ...inherited, 262144: 0x11 });
        await expectVm(storage, 6, { ...inherited, 262144: 0x45, 327680: 0x46 });
      }
      expect((await storage.list()).vmIds).toEqual([vmId(4), vmId(6)]);
    });

    test("an image with clones is removed without harm, or kept with a reason", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await ready(storage);
      await fork(storage, 1, 2);
      const code = await codeOf(storage.removeImage({ imageId }));
      expect(code).toBe(storage.capabilities.independentClones ? "no error" : "has-dependants");
      await expectVm(storage, 1, { 0: 0x11, [mib]: 0x22 });
      await removeSource(storage, 1);
      await storage.removeVm({ vmId: vmId(2) });
      await storage.removeImage({ imageId });
      expect(await storage.list()).toEqual({ imageIds: [], vmIds: [], snapshots: [] });
    });

    test("a VM with forks is removed without harm, or kept with a reason until they are detached", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await ready(storage);
      const source = { vmId: vmId(1) };
      await putVm(storage, 1, 0, 0x33);
      await fork(storage, 1, 2);
      const { independentForks } = storage.capabilities;
      expect(storage.dependentForks === undefined).toBe(independentForks);
      expect(await storage.dependentForks?.list(source)).toEqual(independentForks ? undefined : [vmId(2)]);
      if (!independentForks) {
        expect(await codeOf(storage.removeVm(source))).toBe("has-dependants");
        await storage.dependentForks?.detach(source);
        expect(await storage.dependentForks?.list(source)).toEqual([]);
      }
      await expectVm(storage, 1, { 0: 0x33, [mib]: 0x22 });
      await storage.removeVm(source);
      await expectVm(storage, 2, { 0: 0x33, [mib]: 0x22 });
      expect((await storage.list()).vmIds).toEqual([vmId(2)]);
    });

    test("cloning again succeeds for the same size, and refuses another without touching the disk", async () => {
      await using place = await factory.make();
      const { storage } = place;
      const disk = await ready(storage);
      await putVm(storage, 1, 0, 0x33);
      expect(await storage.cloneImage({ imageId }, { vmId: vmId(1) }, { sizeBytes: imageBytes })).toEqual(
        disk,
      );
      const again = storage.cloneImage({ imageId }, { vmId: vmId(1) }, { sizeBytes: gib });
      expect(await codeOf(again)).toBe("vm-exists");
      await fork(storage, 1, 2);
      await putVm(storage, 2, 0, 0x44);
      await fork(storage, 1, 2);
      expect(await codeOf(fork(storage, 1, 2, gib))).toBe("vm-exists");
      await expectVm(storage, 1, { 0: 0x33 });
      await expectVm(storage, 2, { 0: 0x44 });
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
      expect(await codeOf(storage.activate(target))).toBe("vm-not-found");
      expect(await place.leftovers()).toEqual([]);
    });

    test("growing keeps the content, adds zeros, works twice, and never shrinks", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await ready(storage);
      await putVm(storage, 1, mib, 0x33);
      await fork(storage, 1, 2);
      const vm = { vmId: vmId(1) };
      await storage.grow(vm, gib);
      await storage.grow(vm, gib);
      expect(await sizeOf(storage, 1)).toBe(gib);
      expect(await sizeOf(storage, 2)).toBe(imageBytes);
      await putVm(storage, 1, gib - 65_536, 0x44);
      await expectVm(storage, 1, { 0: 0x11, [mib]: 0x33, [imageBytes]: 0, [gib - 65_536]: 0x44 });
      expect(await codeOf(storage.grow(vm, imageBytes))).toBe("unsupported");
      expect(await codeOf(storage.grow(vm, gib + 100))).toBe("invalid-size");
      expect(await codeOf(storage.grow(vm, Number.NaN))).toBe("invalid-size");
      expect(await codeOf(storage.grow({ vmId: vmId(9) }, gib))).toBe("vm-not-found");
      await fork(storage, 1, 3, 2 * gib);
      await expectVm(storage, 3, { 0: 0x11, [mib]: 0x33, [gib - 65_536]: 0x44, [gib]: 0 });
    });

    test("ten clones of an image and ten forks of a VM at once all come out right", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await ready(storage);
      await putVm(storage, 1, 0, 0x33);
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
        await expectVm(storage, number, { 0: 0x11, [mib]: 0x22 });
        await expectVm(storage, number + 100, { 0: 0x33, [mib]: 0x22 });
      }
      await putVm(storage, 1, 0, 0x44);
      await expectVm(storage, 110, { 0: 0x33 });
      await Promise.all(numbers.map((number) => removeSource(other, number + 100)));
      await expectVm(storage, 1, { 0: 0x44, [mib]: 0x22 });
    });
  });
}
