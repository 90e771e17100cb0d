import { isAbsolute, join } from "node:path";
import { EmberError } from "../errors/ember-error.ts";
import type { ImageDisk, SnapshotDisk, StorageConfig, VmDisk } from "./storage.ts";

/** The folders of a storage whose disks are files. They lie on one file system, so that renames and links work. */
export interface Layout {
  readonly folder: string;
  readonly images: string;
  readonly vms: string;
  readonly snapshots: string;
  /** Disks in the making, and what a killed command left of them; see scratch.ts. */
  readonly staging: string;
  /** What the files of a VM's disk and of its snapshots end with. */
  readonly vmSuffix: ".ext4" | ".qcow2";
}

/** Throws `invalid-config` when the folder is not absolute. */
export function layoutOf(config: StorageConfig, vmSuffix: Layout["vmSuffix"]): Layout {
  const folder = config.folder;
  if (!isAbsolute(folder) || folder.includes("\0")) {
    throw new EmberError("invalid-config", `the storage folder '${folder}' is not an absolute path`);
  }
  return {
    folder,
    images: join(folder, "images"),
    vms: join(folder, "vms"),
    snapshots: join(folder, "snapshots"),
    staging: join(folder, "staging"),
    vmSuffix,
  };
}

const idForm = /^[0-9a-f]{8,32}$/;

/** `id` when it has the form of ember's ids, so that it is safe in a path. Throws `invalid-name`. */
export function checkedId(id: string): string {
  if (typeof id !== "string" || !idForm.test(id)) {
    throw new EmberError("invalid-name", `'${String(id).slice(0, 80)}' is not an id`, {
      hint: "ids are 8 to 32 hexadecimal digits",
    });
  }
  return id;
}

export function imagePath(layout: Layout, image: ImageDisk): string {
  return join(layout.images, `${checkedId(image.imageId)}.ext4`);
}

export function vmPath(layout: Layout, vm: VmDisk): string {
  return join(layout.vms, `${checkedId(vm.vmId)}${layout.vmSuffix}`);
}

/** Named after its VM first, so that a VM's snapshots can be told from the folder alone. */
export function snapshotPath(layout: Layout, { vmId, snapshotId }: SnapshotDisk): string {
  return join(layout.snapshots, `${checkedId(vmId)}-${checkedId(snapshotId)}${layout.vmSuffix}`);
}

/** The snapshots among file names that end with `suffix`. */
export function snapshotsOf(names: readonly string[], suffix: string): SnapshotDisk[] {
  return names
    .filter((name) => name.endsWith(suffix))
    .sort()
    .map((name) => name.slice(0, -suffix.length).split("-"))
    .filter((ids) => ids.length === 2 && ids.every((id) => idForm.test(id)))
    .map(([vmId = "", snapshotId = ""]) => ({ vmId, snapshotId }));
}

/** The ids among file names that end with `suffix`; anything else in the folder is not the storage's. */
export function idsOf(names: readonly string[], suffix: string): string[] {
  return names
    .filter((name) => name.endsWith(suffix))
    .map((name) => name.slice(0, -suffix.length))
    .filter((id) => idForm.test(id))
    .sort();
}

const sectorBytes = 512;

/** Throws `invalid-size` unless `sizeBytes` can be a disk's size and is at least `leastBytes`. */
export function checkSize(sizeBytes: number, leastBytes: number): void {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0 || sizeBytes % sectorBytes !== 0) {
    throw new EmberError("invalid-size", `a disk cannot have ${sizeBytes} bytes`, {
      hint: `a size is a positive multiple of ${sectorBytes} bytes`,
    });
  }
  if (sizeBytes < leastBytes) {
    throw new EmberError(
      "invalid-size",
      `a disk of ${sizeBytes} bytes cannot hold a clone of ${leastBytes} bytes`,
      {
        hint: `ask for at least ${leastBytes} bytes`,
      },
    );
  }
}
