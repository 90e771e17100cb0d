import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { linkSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  codeOf,
  expectBytes,
  imageBytes,
  imageId,
  importSample,
  put,
  vmId,
} from "../../../test/contract/storage/disks.ts";
import { qcow2OnExt4 } from "../../../test/contract/storage/factories.ts";
import { deadScratch } from "../../../test/contract/storage/faults.ts";
import { gib, mib, skipReason } from "../../../test/contract/storage/place.ts";
import { startDetached } from "../../host/detached.ts";
import { isLocked } from "../../host/file-locks.ts";
import { scratchName } from "../scratch.ts";
import { createQcow2 } from "./driver.ts";
import { readOverlay, writeOverlay } from "./overlay.ts";

setDefaultTimeout(120_000);
const reason = skipReason("layers of qcow2 disks", qcow2OnExt4);
const source = { vmId: vmId(1) };
const target = { vmId: vmId(2) };
const options = { sizeBytes: imageBytes };

/** A storage with one VM that has written 0x33 at its start. */
async function made() {
  const place = await qcow2OnExt4.make();
  const { storage, config } = place;
  await storage.init();
  await importSample(storage);
  const disk = await storage.cloneImage({ imageId }, source, options);
  await put(disk, 0, 0x33);
  const inFolder = (...parts: string[]): string => join(config.folder, ...parts);
  const layers = (): string[] => readdirSync(inFolder("layers"));
  return {
    storage,
    config,
    disk,
    inFolder,
    layers,
    [Symbol.asyncDispose]: () => place[Symbol.asyncDispose](),
  };
}

describe.skipIf(reason !== undefined)("layers of qcow2 disks", () => {
  test("forks of a VM that has not written since share one layer, which goes with the last of them", async () => {
    await using it = await made();
    for (const number of [2, 3, 4]) await it.storage.cloneVm(source, { vmId: vmId(number) }, options);
    expect(it.layers()).toHaveLength(1);
    expect(statSync(it.inFolder("layers", it.layers()[0] ?? "")).mode & 0o777).toBe(0o400);
    for (const number of [1, 2, 3]) {
      await it.storage.removeVm({ vmId: vmId(number) });
      expect(it.layers()).toHaveLength(1);
    }
    await expectBytes(it.storage.locate({ vmId: vmId(4) }), { 0: 0x33, [mib]: 0x22 });
    await it.storage.removeVm({ vmId: vmId(4) });
    expect(it.layers()).toEqual([]);
  });

  test("forks of one VM at once all lie on what it has written, and none fails", async () => {
    for (let round = 0; round < 20; round += 1) {
      await using it = await made();
      const forks = Array.from({ length: 10 }, (_, index) => ({ vmId: vmId(10 + index) }));
      await Promise.all(forks.map((fork) => it.storage.cloneVm(source, fork, options)));
      for (const fork of forks) {
        const { backingName } = await readOverlay(it.storage.locate(fork).path);
        expect(backingName).toStartWith("../layers/");
      }
    }
  });

  test("the storage's folder can be moved with all its forks", async () => {
    await using it = await made();
    await it.storage.cloneVm(source, target, options);
    const moved = join(dirname(it.config.folder), "moved");
    renameSync(it.config.folder, moved);
    const storage = createQcow2({ driver: "qcow2", folder: moved });
    await storage.open();
    await expectBytes(storage.locate(target), { 0: 0x33, [mib]: 0x22 });
    renameSync(moved, it.config.folder);
  });

  test("a fork that was killed after the layer got its name, before the source lay on it, is undone", async () => {
    await using it = await made();
    const layer = it.inFolder("layers", "00000000000000aa.qcow2");
    const successor = it.inFolder("staging", deadScratch("new", ""));
    await writeOverlay(successor, imageBytes, { name: "../layers/00000000000000aa.qcow2", format: "qcow2" });
    linkSync(it.disk.path, layer);
    await it.storage.open();
    expect(it.layers()).toEqual([]);
    expect(readdirSync(it.inFolder("staging"))).toEqual([]);
    await expectBytes(it.disk, { 0: 0x33 });
    await it.storage.cloneVm(source, target, options);
    await expectBytes(it.storage.locate(target), { 0: 0x33 });
  });

  test("a fork that was killed between the source's new overlay and its own is made by running it again", async () => {
    await using it = await made();
    await it.storage.cloneVm(source, target, options);
    rmSync(it.storage.locate(target).path);
    writeFileSync(it.inFolder("staging", deadScratch("new", target.vmId)), "half");
    await it.storage.open();
    await expectBytes(it.disk, { 0: 0x33 });
    await it.storage.cloneVm(source, target, options);
    await expectBytes(it.storage.locate(target), { 0: 0x33 });
    expect(it.layers()).toHaveLength(1);
  });

  test("a removal that was killed is finished by open", async () => {
    await using it = await made();
    await it.storage.cloneVm(source, target, options);
    await it.storage.removeVm(source);
    renameSync(it.storage.locate(target).path, it.inFolder("staging", deadScratch("drop", target.vmId)));
    await it.storage.open();
    expect(it.layers()).toEqual([]);
    expect(readdirSync(it.inFolder("staging"))).toEqual([]);
  });

  test("a disk that cannot be read keeps every layer, and does not keep others from being removed", async () => {
    await using it = await made();
    await it.storage.cloneVm(source, target, options);
    writeFileSync(it.storage.locate({ vmId: vmId(3) }).path, "not a disk at all");
    await it.storage.removeVm(source);
    await it.storage.removeVm(target);
    expect(it.layers()).toHaveLength(1);
    expect(await codeOf(it.storage.removeImage({ imageId }))).toBe("io-failed");
    await it.storage.removeVm({ vmId: vmId(3) });
    expect(it.layers()).toEqual([]);
    await it.storage.removeImage({ imageId });
  });

  test("a layer that a fork in the making will need is kept while its maker lives", async () => {
    await using it = await made();
    await it.storage.cloneVm(source, target, options);
    const layer = `../layers/${it.layers()[0]}`;
    const scratch = it.inFolder("staging", scratchName("new", vmId(3)));
    await writeOverlay(scratch, imageBytes, { name: layer, format: "qcow2" });
    writeFileSync(it.inFolder("staging", scratchName("new", vmId(4))), "half writ");
    await it.storage.removeVm(source);
    await it.storage.removeVm(target);
    expect(it.layers()).toHaveLength(1);
    rmSync(scratch);
    await it.storage.init();
    expect(it.layers()).toEqual([]);
  });

  test("a disk that lies on a file from outside is refused", async () => {
    await using it = await made();
    for (const name of ["/etc/passwd", "../../../etc/passwd", "../images/../../x.ext4", "json:{}", ""]) {
      const vm = { vmId: vmId(7) };
      rmSync(it.storage.locate(vm).path, { force: true });
      await writeOverlay(it.storage.locate(vm).path, imageBytes, { name, format: "raw" });
      expect(await codeOf(it.storage.cloneVm(vm, { vmId: vmId(8) }, options))).toBe("io-failed");
      expect(await codeOf(it.storage.occupiedBytes(vm))).toBe("io-failed");
    }
  });

  test("a disk that a hypervisor has open is neither forked nor grown", async () => {
    await using it = await made();
    const process = await startDetached("qemu-io", ["-f", "qcow2", "-c", "sleep 60000", it.disk.path], {
      cwd: it.config.folder,
      logPath: it.inFolder("log"),
    });
    try {
      for (let attempts = 0; attempts < 500 && !isLocked(it.disk.path); attempts += 1) await Bun.sleep(20);
      expect(await codeOf(it.storage.cloneVm(source, target, options))).toBe("wrong-state");
      expect(await codeOf(it.storage.grow(source, gib))).toBe("wrong-state");
      expect(it.layers()).toEqual([]);
    } finally {
      globalThis.process.kill(process.pid, "SIGKILL");
      await process.ended;
    }
    await it.storage.cloneVm(source, target, options);
  });
});
