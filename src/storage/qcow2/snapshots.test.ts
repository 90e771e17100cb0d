import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { linkSync, readdirSync, renameSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
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
import { mib, skipReason } from "../../../test/contract/storage/place.ts";
import { startDetached } from "../../host/detached.ts";
import { isLocked } from "../../host/file-locks.ts";
import { writeOverlay } from "./overlay.ts";

setDefaultTimeout(120_000);
const reason = skipReason("snapshots of qcow2 disks", qcow2OnExt4);
const vm = { vmId: vmId(1) };
const snapshot = { ...vm, snapshotId: "aaaaaaaa" };

/** A storage with one VM that held 0x33 at its start when its snapshot was taken, and holds 0x44 there now. */
async function made() {
  const place = await qcow2OnExt4.make();
  const { storage, config } = place;
  await storage.init();
  await importSample(storage);
  const disk = await storage.cloneImage({ imageId }, vm, { sizeBytes: imageBytes });
  await put(disk, 0, 0x33);
  await storage.snapshot(snapshot);
  await put(disk, 0, 0x44);
  const inFolder = (...parts: string[]): string => join(config.folder, ...parts);
  return {
    storage,
    disk,
    inFolder,
    file: inFolder("snapshots", `${vm.vmId}-${snapshot.snapshotId}.qcow2`),
    layers: (): string[] => readdirSync(inFolder("layers")),
    staging: (): string[] => readdirSync(inFolder("staging")),
    [Symbol.asyncDispose]: () => place[Symbol.asyncDispose](),
  };
}

describe.skipIf(reason !== undefined)("snapshots of qcow2 disks", () => {
  test("lie on a layer, which goes when neither disk nor snapshot needs it", async () => {
    await using it = await made();
    expect(it.layers()).toHaveLength(1);
    expect(statSync(it.file).mode & 0o777).toBe(0o400);
    await it.storage.snapshot({ ...vm, snapshotId: "bbbbbbbb" });
    expect(it.layers()).toHaveLength(2);
    await it.storage.restore(snapshot);
    await it.storage.removeSnapshot({ ...vm, snapshotId: "bbbbbbbb" });
    expect(it.layers()).toHaveLength(1);
    await it.storage.removeSnapshot(snapshot);
    expect(it.layers()).toHaveLength(1);
    await expectBytes(it.disk, { 0: 0x33, [mib]: 0x22 });
    await it.storage.removeVm(vm);
    expect(it.layers()).toEqual([]);
  });

  test("restored or removed by a command that was killed leave no layer behind", async () => {
    await using it = await made();
    await it.storage.snapshot({ ...vm, snapshotId: "bbbbbbbb" }); // 0x44 is in a layer of its own
    await it.storage.removeSnapshot({ ...vm, snapshotId: "bbbbbbbb" });
    expect(it.layers()).toHaveLength(2);
    const successor = it.inFolder("staging", deadScratch("new", vm.vmId));
    const old = it.inFolder("staging", deadScratch("drop", vm.vmId));
    const base = it.layers().find((name) => statSync(it.inFolder("layers", name)).nlink === 1);
    await writeOverlay(successor, imageBytes, { name: `../layers/${base}`, format: "qcow2" });
    linkSync(it.disk.path, old);
    await it.storage.open(); // killed before the new disk got its name
    expect(it.staging()).toEqual([]);
    await expectBytes(it.disk, { 0: 0x44 });
    expect(it.layers()).toHaveLength(2);
    await it.storage.restore(snapshot);
    expect(it.layers()).toHaveLength(1);
    renameSync(it.file, it.inFolder("staging", deadScratch("drop", snapshot.snapshotId)));
    renameSync(it.disk.path, it.inFolder("staging", deadScratch("drop", vm.vmId)));
    await it.storage.open();
    expect({ layers: it.layers(), staging: it.staging() }).toEqual({ layers: [], staging: [] });
  });

  test("bring back a disk that is not readable any more", async () => {
    await using it = await made();
    writeFileSync(it.disk.path, "not a disk at all");
    const unknown = { referencedBytes: null, exclusiveBytes: null, freesBytes: null };
    expect(await it.storage.diskUsage()).toContainEqual(
      expect.objectContaining({ disk: { kind: "vm", ...vm }, ...unknown }),
    );
    await it.storage.restore(snapshot);
    await expectBytes(it.disk, { 0: 0x33, [mib]: 0x22 });
    expect(it.staging()).toEqual([]);
  });

  test("are neither taken of nor put under a disk that a hypervisor has open", async () => {
    await using it = await made();
    const process = await startDetached("qemu-io", ["-f", "qcow2", "-c", "sleep 60000", it.disk.path], {
      cwd: it.inFolder(),
      logPath: it.inFolder("log"),
    });
    try {
      for (let attempts = 0; attempts < 500 && !isLocked(it.disk.path); attempts += 1) await Bun.sleep(20);
      expect(await codeOf(it.storage.snapshot({ ...vm, snapshotId: "bbbbbbbb" }))).toBe("wrong-state");
      expect(await codeOf(it.storage.restore(snapshot))).toBe("wrong-state");
      const clone = it.storage.cloneSnapshot(snapshot, { vmId: vmId(2) }, { sizeBytes: imageBytes });
      expect(await codeOf(clone)).toBe("no error"); // that is not its disk
      expect(it.staging()).toEqual([]);
    } finally {
      globalThis.process.kill(process.pid, "SIGKILL");
      await process.ended;
    }
    await it.storage.restore(snapshot);
    await expectBytes(it.disk, { 0: 0x33 });
  });

  test("that lie on a file from outside are refused", async () => {
    await using it = await made();
    for (const name of ["/etc/passwd", "../../../etc/passwd", "../vms/../../x", "json:{}", ""]) {
      rmSync(it.file, { force: true });
      await writeOverlay(it.file, imageBytes, { name, format: "raw" });
      expect(await codeOf(it.storage.readSnapshot(snapshot))).toBe("io-failed");
      expect(await codeOf(it.storage.restore(snapshot))).toBe("io-failed");
      const clone = it.storage.cloneSnapshot(snapshot, { vmId: vmId(2) }, { sizeBytes: imageBytes });
      expect(await codeOf(clone)).toBe("io-failed");
      expect(await codeOf(it.storage.removeImage({ imageId }))).toBe("io-failed"); // who needs it cannot be told
    }
    await expectBytes(it.disk, { 0: 0x44 });
  });

  test("can be taken on a storage that is older than they are", async () => {
    await using it = await made();
    await it.storage.removeSnapshot(snapshot);
    rmdirSync(it.inFolder("snapshots"));
    expect((await it.storage.list()).snapshots).toEqual([]);
    await it.storage.removeVm({ vmId: vmId(9) });
    await it.storage.open();
    await it.storage.snapshot(snapshot);
    expect((await it.storage.list()).snapshots).toEqual([snapshot]);
  });
});
