import { ensurePrivateFolder } from "../../host/files.ts";
import { poolState, zpool } from "../../host/zfs.ts";
import {
  imageStagingPath,
  makeFolders,
  makeParent,
  readStaging,
  removeFolders,
  removeIfEmpty,
} from "../disk-files.ts";
import { attempt } from "../failure.ts";
import { layoutOf } from "../layout.ts";
import { readScratchName, sweepScratch } from "../scratch.ts";
import type { DiskLocation, Storage, StorageConfig, StorageContext, VmDisk } from "../storage.ts";
import { contentOf, usageOf } from "./accounting.ts";
import { cloneImage, cloneSnapshot, cloneVm, grow, locationOf, vmGone } from "./clone.ts";
import { makeDataset, purgeDataset } from "./dataset.ts";
import { waitForDevice } from "./device.ts";
import { importImage, removeImage } from "./image.ts";
import { measure } from "./measure.ts";
import { namesOf, vmName } from "./names.ts";
import { checkRunnable, isWhole, look, lookAtAll, type Place, roomNames, setActive } from "./place.ts";
import { expandPool, poolOf } from "./pool.ts";
import { detachForks, listForks, removeVm } from "./remove.ts";
import { restore, sweep } from "./restore.ts";
import { makeSnapshot, readSnapshot, removeSnapshot } from "./snapshot.ts";

/**
 * Disks as ZFS volumes, clones of one another, in a dataset of ember's on a pool that ember made or on somebody's.
 * Volumes have a device only while they are active. Needs root.
 */
export function createZfs(config: StorageConfig, context: StorageContext): Storage {
  const names = namesOf(config);
  const pool = poolOf(config);
  const layout = layoutOf(config, ".ext4");
  const place: Place = { names, layout, pool, context };

  return {
    name: "zfs",
    capabilities: {
      clones: true,
      independentClones: false,
      independentForks: false,
      clonesOpenDisks: true,
      growsOpenDisks: true,
    },

    init: () => attempt(`set up the storage in '${names.root}'`, () => init(place)),
    open: () => attempt(`open the storage in '${names.root}'`, () => open(place)),
    deinit: (purge) => attempt(`take down the storage in '${names.root}'`, () => deinit(place, purge)),

    stagingPath: async (imageId) => imageStagingPath(layout, { imageId }),
    importImage: (image, path) => attempt("import an image", () => importImage(place, image, path)),
    removeImage: (image) => attempt("remove an image", () => removeImage(place, image)),

    cloneImage: (image, vm, options) =>
      attempt("clone an image", () => cloneImage(place, image, vm, options)),
    cloneVm: (source, vm, options) => attempt("clone a VM's disk", () => cloneVm(place, source, vm, options)),
    cloneSnapshot: (source, vm, options) =>
      attempt("clone a snapshot", () => cloneSnapshot(place, source, vm, options)),
    locate: (vm) => locationOf(place, vm),
    activate: (vm) => attempt("activate a VM's disk", () => activate(place, vm)),
    deactivate: (vm) =>
      attempt("deactivate a VM's disk", async () => {
        const name = vmName(names, vm);
        const state = poolState(pool.name);
        // A VM can be stopped when its pool is gone or hangs.
        if (state === "ONLINE" || state === "DEGRADED") await setActive(place, name, false);
      }),
    grow: (vm, sizeBytes) => attempt("grow a VM's disk", () => grow(place, vm, sizeBytes)),
    removeVm: (vm) => attempt("remove a VM's disk", () => removeVm(place, vm)),
    dependentForks: {
      list: (vm) => attempt("list a VM's forks", () => listForks(place, vm)),
      detach: (vm) => attempt("detach a VM's forks", () => detachForks(place, vm)),
    },

    snapshot: (snapshot) => attempt("make a snapshot", () => makeSnapshot(place, snapshot)),
    restore: (snapshot) => attempt("restore a snapshot", () => restore(place, snapshot)),
    readSnapshot: (snapshot) => attempt("read a snapshot", () => readSnapshot(place, snapshot)),
    removeSnapshot: (snapshot) => attempt("remove a snapshot", () => removeSnapshot(place, snapshot)),

    list: () => attempt("list the disks", async () => contentOf(names, await lookAtAll(place))),
    usage: () => attempt("measure the storage", () => measure(place)),
    diskUsage: () =>
      attempt("measure the disks", async () => {
        await zpool(pool.name, ["sync", pool.name], ["read-only"]); // ZFS counts what it has written out
        return usageOf(names, await lookAtAll(place));
      }),
    occupiedBytes: (vm) => attempt("measure a VM's disk", () => occupiedBytes(place, vm)),
    ...(pool.owned
      ? {
          expand: (sizeBytes: number | undefined) =>
            attempt("enlarge the pool", () => expandPool(config, sizeBytes)),
          trim: () =>
            attempt("trim the pool", async () => {
              await zpool(pool.name, ["trim", "-w", pool.name]);
            }),
        }
      : {}),
  };
}

async function init(place: Place): Promise<void> {
  const { folder, staging } = place.layout;
  makeParent(folder);
  await place.pool.init();
  await makeDataset(place.names, folder);
  ensurePrivateFolder(folder);
  makeFolders(folder, [staging]);
  if (await sweep(place, [])) sweepScratch(staging);
}

async function open(place: Place): Promise<void> {
  const { staging } = place.layout;
  const left = readStaging(place.layout).filter((name) => readScratchName(name)?.ownerAlive === false);
  await place.pool.open();
  if (left.length === 0) return;
  const noted = left.flatMap((name) => /(?:new|drop)-([0-9a-f]{8,32})-/.exec(name)?.[1] ?? []);
  if (await sweep(place, noted)) sweepScratch(staging);
}

async function deinit(place: Place, purge: boolean): Promise<void> {
  const { folder, staging } = place.layout;
  if (purge && poolState(place.names.pool) !== undefined) await purgeDataset(place.names, folder);
  await place.pool.deinit(purge);
  if (!purge) return;
  await removeFolders([staging]);
  removeIfEmpty(folder);
}

async function activate(place: Place, vm: VmDisk): Promise<DiskLocation> {
  const name = vmName(place.names, vm);
  const rows = await look(place, [...roomNames(place), name]);
  const row = rows.get(name);
  if (row === undefined || !isWhole(row)) throw vmGone(vm);
  checkRunnable(place, rows);
  if (row.volmode !== "dev") await setActive(place, name, true);
  await waitForDevice(name);
  return locationOf(place, vm);
}

async function occupiedBytes(place: Place, vm: VmDisk): Promise<number> {
  const name = vmName(place.names, vm);
  const row = (await look(place, [name])).get(name);
  if (row === undefined || !isWhole(row)) throw vmGone(vm);
  return row.referencedBytes ?? 0;
}
