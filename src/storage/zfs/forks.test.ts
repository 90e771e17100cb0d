import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import {
  codeOf,
  expectVm,
  imageBytes,
  imageId,
  importSample,
  putVm,
  vmId,
} from "../../../test/contract/storage/disks.ts";
import { zfsOnFiles } from "../../../test/contract/storage/factory-zfs.ts";
import { mib, type StorageUnderTest, skipReason } from "../../../test/contract/storage/place.ts";
import { zfsList } from "../../host/zfs-list.ts";
import type { Storage } from "../storage.ts";

setDefaultTimeout(600_000);
const skipped = skipReason("zfs forks", zfsOnFiles) !== undefined;
const vm = { vmId: vmId(1) };
const [early, late] = [
  { ...vm, snapshotId: "aaaaaaaa" },
  { ...vm, snapshotId: "bbbbbbbb" },
];

async function ready(storage: Storage): Promise<void> {
  await storage.init();
  await importSample(storage);
  await storage.cloneImage({ imageId }, vm, { sizeBytes: imageBytes });
}

const fork = (storage: Storage, from: number, to: number): Promise<unknown> =>
  storage.cloneVm({ vmId: vmId(from) }, { vmId: vmId(to) }, { sizeBytes: imageBytes });

/** Everything below the folder, without the pool's and the folder's name. */
async function below(place: StorageUnderTest, folder: string): Promise<string[]> {
  const root = `${place.config.pool}/ember/${folder}`;
  const rows = await zfsList(place.config.pool ?? "", [root], { recursive: true });
  return rows.map(({ name }) => name.slice(root.length + 1)).filter((name) => name !== "");
}

describe.skipIf(skipped)("volumes and their snapshots", () => {
  test("the snapshot that a fork came from goes with the last fork", async () => {
    await using place = await zfsOnFiles.make();
    const { storage } = place;
    await ready(storage);
    await fork(storage, 1, 2);
    await fork(storage, 1, 3);
    expect(await storage.dependentForks?.list(vm)).toEqual([vmId(2), vmId(3)]);
    expect(await codeOf(storage.removeVm(vm))).toBe("has-dependants");
    await storage.removeVm({ vmId: vmId(2) });
    expect((await below(place, "vms")).filter((name) => name.includes("@"))).toHaveLength(1);
    await storage.removeVm({ vmId: vmId(3) });
    expect(await below(place, "vms")).toEqual([vm.vmId]);
    expect(await storage.dependentForks?.list(vm)).toEqual([]);
  });

  test("a restored disk owns the snapshots it comes from; what is put aside goes with the last later one", async () => {
    await using place = await zfsOnFiles.make();
    const { storage } = place;
    await ready(storage);
    await putVm(storage, 1, 0, 0x33);
    await storage.snapshot(early);
    await putVm(storage, 1, 0, 0x44);
    await storage.snapshot(late);
    await storage.restore(early);
    expect(await below(place, "vms")).toEqual([vm.vmId, `${vm.vmId}@snap-${vm.vmId}-aaaaaaaa`]);
    expect(await below(place, "history")).toHaveLength(2);
    await storage.restore(late);
    await expectVm(storage, 1, { 0: 0x44, [mib]: 0x22 });
    expect(await below(place, "history")).toEqual([]);
    await storage.restore(early);
    await storage.removeSnapshot(late);
    expect(await below(place, "history")).toEqual([]);
    await storage.removeSnapshot(early);
    expect(await below(place, "vms")).toEqual([vm.vmId]);
  });

  test("detached forks leave the source free to go, its snapshots included", async () => {
    await using place = await zfsOnFiles.make();
    const { storage } = place;
    await ready(storage);
    await putVm(storage, 1, 0, 0x33);
    await storage.snapshot(early);
    await fork(storage, 1, 2);
    await putVm(storage, 1, 0, 0x44);
    await storage.snapshot(late);
    await fork(storage, 1, 3);
    await storage.dependentForks?.detach(vm);
    expect(await storage.dependentForks?.list(vm)).toEqual([]);
    expect((await storage.list()).snapshots).toEqual([early, late]); // still there, on a fork's volume
    await storage.restore(early);
    await expectVm(storage, 1, { 0: 0x33 });
    await storage.dependentForks?.detach(vm);
    await storage.removeVm(vm);
    expect((await storage.list()).snapshots).toEqual([]);
    await expectVm(storage, 2, { 0: 0x33, [mib]: 0x22 });
    await expectVm(storage, 3, { 0: 0x44, [mib]: 0x22 });
    for (const number of [2, 3]) {
      await storage.dependentForks?.detach({ vmId: vmId(number) });
      await storage.removeVm({ vmId: vmId(number) });
    }
    expect([...(await below(place, "vms")), ...(await below(place, "history"))]).toEqual([]);
  });

  test("a disk that is open is neither restored nor removed, and loses no snapshot by that", async () => {
    await using place = await zfsOnFiles.make();
    const { storage } = place;
    await ready(storage);
    await storage.snapshot(early);
    const { path } = await storage.activate(vm);
    const file = openSync(path, "r+");
    try {
      expect(await codeOf(storage.restore(early))).toBe("wrong-state");
      expect(await codeOf(storage.removeVm(vm))).toBe("busy");
      await storage.grow(vm, 2 * imageBytes);
    } finally {
      closeSync(file);
    }
    expect((await storage.list()).snapshots).toEqual([early]);
    await storage.removeVm(vm);
    expect(await below(place, "vms")).toEqual([]);
  });
});
