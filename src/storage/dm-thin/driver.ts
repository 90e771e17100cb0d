import { existsSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { EmberError } from "../../errors/ember-error.ts";
import { mapperPath } from "../../host/dmsetup.ts";
import { ensurePrivateFolder } from "../../host/files.ts";
import { findTool } from "../../host/tools.ts";
import { imageStagingPath, makeFolders, makeParent, removeFolders, removeIfEmpty } from "../disk-files.ts";
import { attempt } from "../failure.ts";
import { checkedId } from "../layout.ts";
import type { DiskLocation, Storage, StorageConfig, StorageContext, VmDisk } from "../storage.ts";
import { backingOf, lowerFull } from "./backing.ts";
import { cloneDisk, dropDisk, growDisk, removeVm } from "./disks.ts";
import { importImage } from "./import.ts";
import { recordPath, thinLayoutOf, vmDevice } from "./layout.ts";
import { withLock } from "./lock.ts";
import {
  bringUp,
  checkMarker,
  checkRoom,
  findPool,
  growPool,
  makePool,
  poolUsage,
  requireRoot,
  type ThinPlace,
  takeDown,
} from "./pool.ts";
import { type DiskRecord, listDisks, readRecord } from "./records.ts";
import { readSnapshot, removeSnapshot, restore, snapshotDisk, snapshotRecord } from "./snapshots.ts";
import { hasLeftovers, sweep } from "./sweep.ts";
import { diskUsage, occupiedBytes } from "./usage.ts";
import { activateDisk, deactivateDisk } from "./volumes.ts";

export const tools: readonly string[] = [
  "dmsetup",
  "thin_check",
  "thin_ls",
  "thin_dump",
  "losetup",
  "flock",
  "dd",
  "blkdiscard",
];

/**
 * Disks as thin devices of a device-mapper pool: blocks of 64 KiB, shared between clones, forks and snapshots, none of
 * which depends on the others. A disk has a device under /dev/mapper while it is active. Linux, as root.
 */
export function createDmThin(config: StorageConfig, context: StorageContext): Storage {
  const layout = thinLayoutOf(config);
  const place: ThinPlace = { layout, backing: backingOf(config, layout), context };

  /** One command at a time changes the pool. */
  const locked = <T>(what: string, ids: readonly string[], work: () => Promise<T>): Promise<T> =>
    guarded(place, what, async () => {
      ids.forEach(checkedId);
      requireRoot(what);
      checkMarker(layout);
      return withLock(layout.folder, work);
    });
  const locate = (vm: VmDisk): DiskLocation => ({ path: mapperPath(vmDevice(layout, vm)), format: "raw" });
  const vmRecord = (vm: VmDisk): DiskRecord => existing(place, vm);

  return {
    name: "dm-thin",
    capabilities: {
      clones: true,
      independentClones: true,
      independentForks: true,
      clonesOpenDisks: true,
      growsOpenDisks: true,
    },

    init: () => guarded(place, `set up the storage at '${layout.folder}'`, () => init(place, config)),
    open: () => guarded(place, `open the storage at '${layout.folder}'`, () => open(place)),
    deinit: (purge) =>
      guarded(place, `take down the storage at '${layout.folder}'`, () => deinit(place, purge)),

    stagingPath: async (imageId) => imageStagingPath(layout, { imageId }),
    importImage: (image, path) =>
      guarded(place, "import an image", () =>
        importImage(place, image, path, (what, work) => locked(what, [], work)),
      ),
    cloneImage: async (image, vm, options) => {
      const source = recordPath(layout, { kind: "image", ...image });
      const location = locate(vm);
      await locked("clone an image", [], async () => {
        const record = readRecord(source);
        if (record === undefined) {
          throw new EmberError("image-not-found", `image '${image.imageId}' has no disk`);
        }
        await cloneDisk(place, record, vm, options);
      });
      return location;
    },
    cloneVm: async (source, vm, options) => {
      const [from, location] = [vmDevice(layout, source), locate(vm)];
      await locked("clone a VM's disk", [], () => cloneDisk(place, vmRecord(source), vm, options, from));
      return location;
    },
    cloneSnapshot: async (source, vm, options) => {
      const location = locate(vm);
      await locked("clone a snapshot", [source.vmId, source.snapshotId], () =>
        cloneDisk(place, snapshotRecord(layout, source), vm, options),
      );
      return location;
    },

    locate,
    activate: async (vm) => {
      const location = locate(vm);
      await locked("open a VM's disk", [], async () => {
        const record = vmRecord(vm);
        await checkRoom(place, "open a VM's disk");
        await activateDisk(place, vm, record);
      });
      return location;
    },
    deactivate: async (vm) => {
      checkedId(vm.vmId);
      await guarded(place, "close a VM's disk", () => deactivateDisk(place, vm));
    },
    grow: (vm, sizeBytes) =>
      locked("grow a VM's disk", [vm.vmId], () => growDisk(place, vm, vmRecord(vm), sizeBytes)),

    snapshot: (snapshot) =>
      locked("make a snapshot", [snapshot.vmId, snapshot.snapshotId], () =>
        snapshotDisk(place, snapshot, vmRecord(snapshot)),
      ),
    restore: (snapshot) =>
      locked("restore a snapshot", [snapshot.vmId, snapshot.snapshotId], () =>
        restore(place, snapshot, vmRecord(snapshot)),
      ),
    readSnapshot: (snapshot) =>
      locked("read a snapshot", [snapshot.vmId, snapshot.snapshotId], () => readSnapshot(place, snapshot)),
    removeSnapshot: (snapshot) =>
      locked("remove a snapshot", [snapshot.vmId, snapshot.snapshotId], () =>
        removeSnapshot(place, snapshot),
      ),

    removeImage: (image) =>
      locked("remove an image", [image.imageId], async () => {
        await rm(imageStagingPath(layout, image), { force: true });
        await dropDisk(place, { kind: "image", ...image });
      }),
    removeVm: (vm) => locked("remove a VM's disk", [vm.vmId], () => removeVm(place, vm)),
    list: () =>
      guarded(place, "list the disks", async () => {
        const disks = listDisks(layout);
        return {
          imageIds: disks.flatMap((disk) => (disk.kind === "image" ? [disk.imageId] : [])),
          vmIds: disks.flatMap((disk) => (disk.kind === "vm" ? [disk.vmId] : [])),
          snapshots: disks.flatMap((disk) =>
            disk.kind === "snapshot" ? [{ vmId: disk.vmId, snapshotId: disk.snapshotId }] : [],
          ),
        };
      }),

    usage: () => guarded(place, "measure the storage", () => poolUsage(place)),
    diskUsage: () => locked("measure the disks", [], () => diskUsage(place)),
    occupiedBytes: (vm) =>
      locked("measure a VM's disk", [vm.vmId], () => occupiedBytes(place, vm, vmRecord(vm))),
    expand: (sizeBytes) => locked("grow the storage", [], () => growPool(place, sizeBytes)),
  };
}

function existing(place: ThinPlace, vm: VmDisk): DiskRecord {
  const record = readRecord(recordPath(place.layout, { kind: "vm", vmId: vm.vmId }));
  if (record === undefined) throw new EmberError("vm-not-found", `VM '${vm.vmId}' has no disk`);
  return record;
}

/** Gives what is thrown a code. A tool that failed over a full file system below the pool cannot know the reason. */
function guarded<T>(place: ThinPlace, what: string, work: () => Promise<T>): Promise<T> {
  return attempt(what, async () => {
    try {
      return await work();
    } catch (error) {
      const vague = !(error instanceof EmberError) || ["tool-failed", "io-failed"].includes(error.code);
      const lower = vague ? await place.backing.lower().catch(() => undefined) : undefined;
      if (lower?.full === true) throw lowerFull(what, lower, error);
      throw error;
    }
  });
}

async function init(place: ThinPlace, config: StorageConfig): Promise<void> {
  const { layout } = place;
  requireRoot("set up the storage");
  for (const tool of tools) findTool(tool);
  makeParent(layout.folder);
  ensurePrivateFolder(layout.folder);
  makeFolders(layout.folder, [layout.images, layout.vms, layout.snapshots, layout.staging]);
  await withLock(layout.folder, async () => {
    await makePool(place, config.backingBytes ?? 0);
    await sweep(place);
  });
}

async function open(place: ThinPlace): Promise<void> {
  const { layout } = place;
  checkMarker(layout);
  const pool = findPool(place);
  if (pool !== undefined && !pool.suspended && !hasLeftovers(place)) return;
  requireRoot(`open the storage at '${layout.folder}'`);
  await withLock(layout.folder, async () => {
    await bringUp(place, { mayBeNew: false });
    await sweep(place);
  });
}

async function deinit(place: ThinPlace, purge: boolean): Promise<void> {
  const { layout, backing, context } = place;
  if (existsSync(layout.marker)) {
    requireRoot(`take down the storage at '${layout.folder}'`);
    await withLock(layout.folder, async () => {
      await takeDown(place);
      if (!purge) return;
      await backing.purge();
      for (const key of context.numbers.all().keys()) context.numbers.free(key);
      await removeFolders([layout.images, layout.vms, layout.snapshots, layout.staging]);
      rmSync(layout.marker, { force: true }); // last: until then, doing it again finishes it
    });
  }
  if (purge) removeIfEmpty(layout.folder);
}
