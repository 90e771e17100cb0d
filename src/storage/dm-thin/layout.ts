import { join } from "node:path";
import { shortHash } from "../../host/random.ts";
import { checkedId, type Layout, layoutOf } from "../layout.ts";
import type { DiskUsage, StorageConfig, VmDisk } from "../storage.ts";

export type DiskName = DiskUsage["disk"];

/**
 * Where a pool's parts are. The folder holds a record for each disk (records.ts) and what is staged; the disks are
 * thin devices of the pool. Names of devices begin with a prefix that stands for the folder, so that what is left over
 * is found by name, and two installations never take each other's.
 */
export interface ThinLayout extends Layout {
  readonly snapshots: string;
  /** That this folder belongs to a pool of ember's. */
  readonly marker: string;
  readonly dataFile: string;
  readonly metadataFile: string;
  readonly prefix: string;
  readonly pool: string;
}

export function thinLayoutOf(config: StorageConfig): ThinLayout {
  const layout = layoutOf(config, ".ext4");
  const prefix = `ember-${shortHash(layout.folder)}-`;
  return {
    ...layout,
    snapshots: join(layout.folder, "snapshots"),
    marker: join(layout.folder, "pool.json"),
    dataFile: config.backingFile ?? `${layout.folder}.thin-data`,
    metadataFile: `${layout.folder}.thin-meta`,
    prefix,
    pool: `${prefix}pool`,
  };
}

/** The device of a VM's disk, which is there while the VM is active. */
export function vmDevice(layout: ThinLayout, vm: VmDisk): string {
  return `${layout.prefix}vm-${checkedId(vm.vmId)}`;
}

/** A device that only the command needs that has the scratch file of that name. */
export function scratchDevice(layout: ThinLayout, scratch: string): string {
  return `${layout.prefix}${scratch}`;
}

/** Throws `invalid-name`. */
export function recordPath(layout: ThinLayout, disk: DiskName): string {
  switch (disk.kind) {
    case "image":
      return join(layout.images, `${checkedId(disk.imageId)}.json`);
    case "vm":
      return join(layout.vms, `${checkedId(disk.vmId)}.json`);
    case "snapshot":
      return join(layout.snapshots, `${checkedId(disk.vmId)}-${checkedId(disk.snapshotId)}.json`);
  }
}
