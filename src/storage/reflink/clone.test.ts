import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  codeOf,
  expectBytes,
  imageBytes,
  imageId,
  importSample,
  vmId,
} from "../../../test/contract/storage/disks.ts";
import { reflinkOnBtrfs, reflinkOnOwnXfs } from "../../../test/contract/storage/factories.ts";
import {
  gib,
  loopMount,
  mib,
  missingForMounts,
  scratchFolder,
  skipReason,
} from "../../../test/contract/storage/place.ts";
import { run } from "../../host/run.ts";
import { canClone } from "./clone.ts";
import { createReflink, linuxMeans } from "./driver.ts";

const extentTools = () => missingForMounts("reflink", ["filefrag", "mkfs.btrfs", "mkfs.xfs", "mkfs.ext4"]);
setDefaultTimeout(120_000);
const reason = skipReason("sharing of blocks", { missing: extentTools });

/** Bytes of a file's data, and how many of them lie in extents that other files have too. */
async function sharedBytes(path: string): Promise<{ data: number; shared: number }> {
  const { stdout } = await run("filefrag", ["-s", "-v", "-b4096", path]);
  const extents = [...stdout.matchAll(/^ *\d+: +\d+\.\. *\d+: +\d+\.\. *\d+: +(\d+):.*$/gm)];
  const sum = (lines: readonly RegExpMatchArray[]): number =>
    lines.reduce((total, line) => total + Number(line[1]) * 4096, 0);
  return { data: sum(extents), shared: sum(extents.filter((line) => line[0].includes("shared"))) };
}

describe.skipIf(reason !== undefined)("sharing of blocks", () => {
  for (const [name, factory] of Object.entries({ btrfs: reflinkOnBtrfs, xfs: reflinkOnOwnXfs })) {
    test(`a clone on ${name} shares every extent with its image, whatever their size, and keeps holes`, async () => {
      await using place = await factory.make();
      const { storage } = place;
      await storage.init();
      for (const [number, dataBytes] of [2 * mib, 64 * mib].entries()) {
        const id = `${imageId}0${number}`;
        const path = await storage.stagingPath(id);
        writeFileSync(path, Buffer.alloc(dataBytes, 7));
        truncateSync(path, 8 * gib);
        await storage.importImage({ imageId: id }, path);
        const disk = await storage.cloneImage(
          { imageId: id },
          { vmId: vmId(number) },
          { sizeBytes: 8 * gib },
        );
        expect(await sharedBytes(disk.path)).toEqual({ data: dataBytes, shared: dataBytes });
        const fork = await storage.cloneVm(
          { vmId: vmId(number) },
          { vmId: vmId(number + 8) },
          { sizeBytes: 9 * gib },
        );
        expect(await sharedBytes(fork.path)).toEqual({ data: dataBytes, shared: dataBytes });
      }
    });
  }

  test("the probe tells apart what can clone and what cannot, and leaves nothing", async () => {
    await using btrfs = await loopMount(["mkfs.btrfs", "-q"], 120 * mib);
    await using xfs = await loopMount(["mkfs.xfs", "-q", "-m", "reflink=1"], 301 * mib);
    await using plainXfs = await loopMount(["mkfs.xfs", "-q", "-m", "reflink=0"], 301 * mib);
    await using ext4 = await loopMount(["mkfs.ext4", "-q", "-F"], 16 * mib);
    const places = [btrfs.path, xfs.path, plainXfs.path, ext4.path];
    const answers = await Promise.all(places.map((folder) => canClone(linuxMeans, folder)));
    expect(answers).toEqual([true, true, false, false]);
    for (const path of places) expect(readdirSync(path).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test("without sharing nothing is copied, unless a full copy is asked for by name", async () => {
    await using ext4 = await loopMount(["mkfs.ext4", "-q", "-F"], 64 * mib);
    const folder = join(ext4.path, "storage");
    const storage = createReflink({ driver: "reflink", folder });
    expect(await codeOf(storage.init())).toBe("storage-cannot-clone");
    expect(readdirSync(ext4.path)).toEqual(["lost+found"]);
    for (const name of ["images", "vms", "staging"]) mkdirSync(join(folder, name), { recursive: true }); // moved here
    const path = await storage.stagingPath(imageId);
    writeFileSync(path, Buffer.alloc(imageBytes, 7));
    truncateSync(path, 2 * gib);
    await storage.importImage({ imageId }, path);
    const clone = (fullCopy: boolean) =>
      storage.cloneImage({ imageId }, { vmId: vmId(1) }, { sizeBytes: 2 * gib, fullCopy });
    expect(await codeOf(clone(false))).toBe("storage-cannot-clone");
    expect(readdirSync(join(folder, "vms"))).toEqual([]);
    const tooLarge = { sizeBytes: 32 * 1024 * gib, fullCopy: true }; // found out after the copy
    expect(await codeOf(storage.cloneImage({ imageId }, { vmId: vmId(2) }, tooLarge))).toBe("invalid-size");
    expect(readdirSync(join(folder, "staging"))).toEqual([]);
    const disk = await clone(true);
    await expectBytes(disk, { 0: 7, [imageBytes - 65_536]: 7, [imageBytes]: 0, [2 * gib - 65_536]: 0 });
    expect(statSync(disk.path).size).toBe(2 * gib);
    expect(statSync(disk.path).blocks * 512).toBeLessThan(4 * mib);
    expect(statSync(disk.path).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(folder, "staging"))).toEqual([]);
  });

  test("a folder on another file system is a clean failure of the clone", async () => {
    await using first = await loopMount(["mkfs.btrfs", "-q"], 120 * mib);
    await using second = await loopMount(["mkfs.btrfs", "-q"], 120 * mib);
    const storage = createReflink({ driver: "reflink", folder: join(first.path, "storage") });
    await storage.init();
    await importSample(storage);
    await run("mount", ["--bind", second.path, join(first.path, "storage", "staging")]);
    try {
      const clone = storage.cloneImage({ imageId }, { vmId: vmId(1) }, { sizeBytes: imageBytes });
      expect(await codeOf(clone)).toBe("storage-cannot-clone");
      expect((await storage.list()).vmIds).toEqual([]);
    } finally {
      await run("umount", [join(first.path, "storage", "staging")]);
    }
  });
});

test("the probe in a folder that is not there is a system error, not an answer", async () => {
  using place = scratchFolder();
  await expect(canClone(linuxMeans, join(place.path, "absent"))).rejects.toThrow("ENOENT");
});
