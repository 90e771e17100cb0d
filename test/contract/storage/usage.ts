import { describe, expect, test } from "bun:test";
import { closeSync, fsyncSync, ftruncateSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../../src/host/run.ts";
import type { DiskUsage, Storage } from "../../../src/storage/storage.ts";
import { imageId, incompressible, vmId, withDisk } from "./disks.ts";
import { mib, type StorageFactory, type StorageUnderTest } from "./place.ts";

type Field = "referencedBytes" | "exclusiveBytes" | "logicalBytes" | "freesBytes";
const sizeBytes = 32 * mib;
const snapshot = { vmId: vmId(1), snapshotId: vmId(0x500) };

/** An image of 32 MiB, `dataMib` of it data, and VM 1 from it. */
async function ready(storage: Storage, dataMib: number): Promise<void> {
  await storage.init();
  const path = await storage.stagingPath(imageId);
  const file = openSync(path, "w");
  ftruncateSync(file, sizeBytes); // first: a file that grows is given room ahead
  writeSync(file, incompressible(dataMib * mib));
  closeSync(file);
  await storage.importImage({ imageId }, path);
  await storage.cloneImage({ imageId }, { vmId: vmId(1) }, { sizeBytes });
}

/** Writes data that cannot be compressed to the disk of a stopped VM. */
async function fillVm(
  place: StorageUnderTest,
  number: number,
  atMib: number,
  dataMib: number,
): Promise<void> {
  await withDisk(place.storage, number, async (disk) => {
    const content = incompressible(dataMib * mib);
    if (disk.format === "raw") {
      const file = openSync(disk.path, "r+");
      writeSync(file, content, 0, content.length, atMib * mib);
      fsyncSync(file);
      return closeSync(file);
    }
    const source = join(place.numbersFolder, "data");
    writeFileSync(source, content);
    const command = `write -q -s ${source} ${atMib * mib} ${content.length}`;
    await run("qemu-io", ["-f", disk.format, "-c", command, disk.path]);
  });
}

const nameOf = ({ disk }: DiskUsage): string =>
  disk.kind === "image" ? "image" : disk.kind === "vm" ? `vm ${Number.parseInt(disk.vmId, 16)}` : "snapshot";

/** How exact the driver is, and what it cannot know, is said by the factory's facts. */
export function usageTests(factory: StorageFactory): void {
  const { slackBytes, unknown, freesOverwritten } = factory.facts;

  /** In MiB; a disk that is left out is not looked at. */
  async function expectUsage(
    storage: Storage,
    wanted: Readonly<Record<string, Partial<Record<Field, number>>>>,
  ): Promise<void> {
    const found = await storage.diskUsage();
    expect(found.map(nameOf).sort()).toEqual(Object.keys(wanted).sort());
    for (const usage of found) {
      expect(usage.provisionedBytes).toBe(sizeBytes);
      for (const [field, value] of fields(wanted[nameOf(usage)] ?? {})) {
        const known = !unknown.includes(`${usage.disk.kind}.${field}`);
        const bytes = usage[field];
        const about =
          bytes === null ? null : Math.abs(bytes - value * mib) <= slackBytes ? value : bytes / mib;
        expect({ disk: nameOf(usage), field, about }).toEqual({
          disk: nameOf(usage),
          field,
          about: known ? value : null,
        });
      }
    }
  }

  describe("usage of disks", () => {
    test("an image alone is all its own; a clone shares it, and has what it writes", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await ready(storage, 12);
      const clone = { referencedBytes: 12, exclusiveBytes: 0, freesBytes: 0 };
      await expectUsage(storage, {
        image: { referencedBytes: 12, exclusiveBytes: 0, freesBytes: 0 },
        "vm 1": clone,
      });
      await fillVm(place, 1, 20, 4);
      await expectUsage(storage, {
        image: { referencedBytes: 12, exclusiveBytes: 0 },
        "vm 1": { referencedBytes: 16, exclusiveBytes: 4, freesBytes: 4 },
      });
      await storage.removeVm({ vmId: vmId(1) });
      await expectUsage(storage, {
        image: { referencedBytes: 12, exclusiveBytes: 12, logicalBytes: 12, freesBytes: 12 },
      });
    });

    test("what a clone overwrites is only its source's any more", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await ready(storage, 12);
      await fillVm(place, 1, 2, 3);
      const all = freesOverwritten === "bytes";
      const left = all ? 3 : 0;
      await expectUsage(storage, {
        image: { referencedBytes: 12, exclusiveBytes: left, freesBytes: left },
        "vm 1": { exclusiveBytes: 3, freesBytes: 3, ...(all ? { referencedBytes: 12 } : {}) },
      });
    });

    test("forks share what was written before, and have what is written after", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await ready(storage, 8);
      await fillVm(place, 1, 16, 4);
      await storage.cloneVm({ vmId: vmId(1) }, { vmId: vmId(2) }, { sizeBytes });
      await fillVm(place, 2, 24, 2);
      await expectUsage(storage, {
        image: { referencedBytes: 8, exclusiveBytes: 0 },
        "vm 1": { referencedBytes: 12, exclusiveBytes: 0, freesBytes: 0 },
        "vm 2": { referencedBytes: 14, exclusiveBytes: 2, freesBytes: 2 },
      });
      await storage.dependentForks?.detach({ vmId: vmId(1) });
      await storage.removeVm({ vmId: vmId(1) });
      await expectUsage(storage, {
        image: { referencedBytes: 8 },
        "vm 2": { referencedBytes: 14, exclusiveBytes: 6, freesBytes: 6 },
      });
    });

    test("a snapshot has what the disk lost; the VM with its snapshots frees all of it", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await ready(storage, 8);
      await fillVm(place, 1, 16, 4);
      await storage.snapshot(snapshot);
      await expectUsage(storage, {
        image: { exclusiveBytes: 0 },
        "vm 1": { referencedBytes: 12, exclusiveBytes: 0, freesBytes: 4 },
        snapshot: { referencedBytes: 12, exclusiveBytes: 0, freesBytes: 0 },
      });
      await fillVm(place, 1, 16, 4);
      const old = freesOverwritten === "nothing" ? 0 : 4;
      await expectUsage(storage, {
        image: { exclusiveBytes: 0 },
        "vm 1": { exclusiveBytes: 4, freesBytes: 8 },
        snapshot: { referencedBytes: 12, exclusiveBytes: old, freesBytes: old },
      });
      await storage.removeSnapshot(snapshot);
      const kept = freesOverwritten === "nothing" ? 8 : 4;
      await expectUsage(storage, { image: {}, "vm 1": { exclusiveBytes: kept, freesBytes: kept } });
    });

    test.skipIf(factory.facts.sharesFileSystem === true)(
      "what deleting frees is free afterwards",
      async () => {
        await using place = await factory.make();
        const { storage } = place;
        await storage.init();
        const usedBytes = async (): Promise<number> => {
          await run("sync", ["-f", place.config.folder]);
          return (await storage.usage()).usedBytes;
        };
        const empty = await usedBytes();
        await ready(storage, 12);
        await fillVm(place, 1, 16, 8);
        await storage.snapshot(snapshot);
        await fillVm(place, 1, 16, 8);
        expect(await settled(usedBytes, (used) => used - empty >= 27 * mib)).toBeGreaterThanOrEqual(
          empty + 27 * mib,
        );
        await storage.removeVm({ vmId: vmId(1) });
        expect(await settled(usedBytes, (used) => used - empty < 16 * mib)).toBeLessThan(empty + 16 * mib);
        await storage.removeImage({ imageId });
        expect(await settled(usedBytes, (used) => used - empty < 4 * mib)).toBeLessThan(empty + 4 * mib);
      },
    );
  });
}

function fields(wanted: Partial<Record<Field, number>>): [Field, number][] {
  const names = ["referencedBytes", "exclusiveBytes", "logicalBytes", "freesBytes"] as const;
  return names.flatMap((name): [Field, number][] => {
    const value = wanted[name];
    return value === undefined ? [] : [[name, value]];
  });
}

/** Storages write, and give blocks back, in the background: the first value that is as wanted, or the last one. */
async function settled(read: () => Promise<number>, wanted: (value: number) => boolean): Promise<number> {
  for (let attempts = 0; ; attempts += 1) {
    const value = await read();
    if (wanted(value) || attempts === 200) return value;
    await Bun.sleep(50);
  }
}
