import { describe, expect, test } from "bun:test";
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { errnoCode } from "../../../src/errors/ember-error.ts";
import { run } from "../../../src/host/run.ts";
import { scratchName } from "../../../src/storage/scratch.ts";
import { codeOf, diskBytes, expectBytes, imageBytes, imageId, importSample, put, vmId } from "./disks.ts";
import { mib, missingForMounts, type StorageFactory, skipReason } from "./place.ts";

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

/** Hostile names, full disks, killed commands. */
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
        ];
        for (const call of calls) expect(await codeOf(call())).toBe("invalid-name");
      }
      expect(await storage.list()).toEqual({ imageIds: [imageId], vmIds: [vmId(1)], snapshots: [] });
    });

    test("what a killed command left is removed by open and by init, what a living one needs is kept", async () => {
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

    const noMounts = skipReason("a full storage", {
      missing: () => missingForMounts("mount", ["mkfs.ext4"]),
    });
    test.skipIf(noMounts !== undefined)(
      "a full storage is named as such, and nothing half-made is left",
      async () => {
        await using place = await factory.make({ small: true });
        const { storage, config } = place;
        await storage.init();
        await importSample(storage);
        await storage.cloneImage({ imageId }, { vmId: vmId(1) }, { sizeBytes: imageBytes });
        await put(storage.locate({ vmId: vmId(1) }), 0, 0x33);
        fill(join(config.folder, "filler"));
        const made = [vmId(1)];
        let code = "no error";
        for (let number = 2; number < 3000 && code === "no error"; number += 1) {
          const vm = { vmId: vmId(number) };
          const clone =
            number % 2 === 0
              ? storage.cloneImage({ imageId }, vm, { sizeBytes: imageBytes })
              : storage.cloneVm({ vmId: vmId(1) }, vm, { sizeBytes: imageBytes });
          code = await codeOf(clone);
          if (code === "no error") made.push(vm.vmId);
        }
        expect(code).toBe("disk-full");
        expect((await storage.list()).vmIds).toEqual(made.sort());
        expect(readdirSync(join(config.folder, "staging"))).toEqual([]);
        await expectBytes(storage.locate({ vmId: vmId(1) }), { 0: 0x33, [mib]: 0x22 });
        for (const id of made) expect(await diskBytes(storage.locate({ vmId: id }))).toBe(imageBytes);
      },
    );

    test("killed at any moment, a fork is there in full or not at all, and the source is whole", async () => {
      await using place = await factory.make();
      const { storage, config } = place;
      await storage.init();
      await importSample(storage);
      await storage.cloneImage({ imageId }, { vmId: vmId(1) }, { sizeBytes: imageBytes });
      const script = new URL("fork-until-killed.ts", import.meta.url).pathname;
      const progress = join(config.folder, "progress");
      writeFileSync(progress, "");
      for (let round = 1; round <= 9; round += 1) {
        await put(storage.locate({ vmId: vmId(1) }), 65_536, round);
        await killedRun(
          script,
          [factory.driver.name, JSON.stringify(config), vmId(1), String(round), progress],
          4 * round,
        );
        await place.again().open();
        const { vmIds } = await storage.list();
        for (const id of vmIds) await expectBytes(storage.locate({ vmId: id }), { 0: 0x11, [mib]: 0x22 });
        await expectBytes(storage.locate({ vmId: vmId(1) }), { 65536: round });
        // What was reported as done before the kill is there.
        const done = readFileSync(progress, "utf8")
          .trim()
          .split("\n")
          .filter((id) => id !== "");
        expect(vmIds).toEqual(expect.arrayContaining(done));
        expect(readdirSync(join(config.folder, "staging"))).toEqual([]);
        for (const id of vmIds.slice(1)) await storage.removeVm({ vmId: id });
        writeFileSync(progress, "");
      }
      await storage.removeVm({ vmId: vmId(1) });
      const layers = join(config.folder, "layers");
      if (existsSync(layers)) expect(readdirSync(layers)).toEqual([]);
    });
  });
}

/** Writes until nothing fits any more, in large pieces and then in small ones. */
function fill(path: string): void {
  const file = openSync(path, "w");
  try {
    for (const chunk of [Buffer.alloc(mib, 0x5a), Buffer.alloc(4096, 0x5a)]) writeUntilFull(file, chunk);
  } finally {
    closeSync(file);
  }
}

function writeUntilFull(file: number, chunk: Buffer): void {
  try {
    while (writeSync(file, chunk) > 0) {
      if (chunk.length < mib) fsyncSync(file); // delayed allocation would take more than there is
    }
  } catch (error) {
    if (errnoCode(error) !== "ENOSPC") throw error;
  }
}

/** Kills the script `afterMs` after it said that it begins. */
async function killedRun(script: string, args: readonly string[], afterMs: number): Promise<void> {
  const abort = new AbortController();
  const onStdout = (): unknown => setTimeout(() => abort.abort(), afterMs);
  const code = await codeOf(
    run("env", [process.execPath, script, ...args], { signal: abort.signal, onStdout }),
  );
  expect(code).toBe("interrupted");
}
