import { describe, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { scratchName } from "../../../src/storage/scratch.ts";
import { codeOf, imageBytes, imageId, importSample, vmId } from "./disks.ts";
import type { StorageFactory } from "./place.ts";

const hostileIds = [
  "",
  "abc",
  "../../../etc/passwd",
  "0123456789abcdef/..",
  "ABCDEF0123456789",
  "0123456\n",
  "a".repeat(33),
  "01234567\0",
];

/** What a scratch file of a process that is long gone is called. */
export function deadScratch(kind: "new" | "drop", id: string): string {
  return `${kind}-${id}-999999999-${"0".repeat(12)}-00000000.tmp`;
}

/** Hostile names, and what killed commands left. */
export function faultTests(factory: StorageFactory): void {
  describe("faults", () => {
    test("ids that are none are refused by every method and touch nothing", async () => {
      await using place = await factory.make();
      const { storage } = place;
      await storage.init();
      await importSample(storage);
      const good = { vmId: vmId(1) };
      const options = { sizeBytes: imageBytes };
      await storage.cloneImage({ imageId }, good, options);
      for (const id of hostileIds) {
        const calls = [
          () => storage.stagingPath(id),
          () => storage.importImage({ imageId: id }, join(place.config.folder, "staging", "x")),
          () => storage.cloneImage({ imageId: id }, { vmId: vmId(2) }, options),
          () => storage.cloneImage({ imageId }, { vmId: id }, options),
          () => storage.cloneVm({ vmId: id }, { vmId: vmId(2) }, options),
          () => storage.cloneVm(good, { vmId: id }, options),
          async () => storage.locate({ vmId: id }),
          () => storage.grow({ vmId: id }, imageBytes),
          () => storage.removeImage({ imageId: id }),
          () => storage.removeVm({ vmId: id }),
          () => storage.occupiedBytes({ vmId: id }),
          () => storage.activate({ vmId: id }),
          () => storage.deactivate({ vmId: id }),
          ...[
            { ...good, snapshotId: id },
            { vmId: id, snapshotId: vmId(5) },
          ].flatMap((snapshot) => [
            () => storage.snapshot(snapshot),
            () => storage.restore(snapshot),
            () => storage.readSnapshot(snapshot),
            () => storage.cloneSnapshot(snapshot, { vmId: vmId(2) }, options),
            () => storage.removeSnapshot(snapshot),
          ]),
          () => storage.cloneSnapshot({ ...good, snapshotId: vmId(5) }, { vmId: id }, options),
        ];
        for (const call of calls) {
          expect({ call: call.toString(), code: await codeOf(call()) }).toMatchObject({
            code: "invalid-name",
          });
        }
      }
      expect(await storage.list()).toEqual({ imageIds: [imageId], vmIds: [vmId(1)], snapshots: [] });
    });

    test("what a killed command left is removed by open and by init, what a living one needs is kept", async () => {
      if (!factory.facts.diskFiles) return; // then scratch files are not what is left
      await using place = await factory.make();
      const { storage, config } = place;
      await storage.init();
      const staging = join(config.folder, "staging");
      const living = scratchName("new", vmId(1));
      writeFileSync(join(staging, living), "still being written");
      for (const again of [() => storage.open(), () => storage.init()]) {
        writeFileSync(join(staging, deadScratch("new", vmId(2))), "");
        writeFileSync(join(staging, deadScratch("drop", vmId(3))), "");
        await again();
        expect(readdirSync(staging)).toEqual([living]);
      }
      expect(await storage.list()).toEqual({ imageIds: [], vmIds: [], snapshots: [] });
    });
  });
}
