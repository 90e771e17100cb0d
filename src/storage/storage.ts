/** What kind of thing a disk belongs to. Ids are ember's own (hex), so they are safe in paths and names. */
export interface ImageDisk {
  readonly imageId: string;
}
export interface VmDisk {
  readonly vmId: string;
}

/** Where a hypervisor finds a disk. */
export interface DiskLocation {
  readonly path: string;
  readonly format: "raw" | "qcow2";
}

export interface StorageCapabilities {
  /** Clones share blocks with their source at once, whatever the size. */
  readonly clones: boolean;
  /** A clone goes on working when its source is deleted. False: the source must outlive its clones. */
  readonly independentClones: boolean;
  /** A VM's disk can be cloned while a hypervisor has it open and is paused. False: the source must be stopped. */
  readonly clonesOpenDisks: boolean;
}

export interface StorageUsage {
  readonly capacityBytes: number;
  readonly usedBytes: number;
  readonly freeBytes: number;
}

export interface CloneOptions {
  /** Size of the new disk, at least the source's; the file system inside is grown by the guest. */
  readonly sizeBytes: number;
  /** Copy every block where the storage cannot share them. Only ever set because the user asked by name. */
  readonly fullCopy?: boolean;
}

/**
 * Where disks live. Ids that are not 8 to 32 hex digits are refused with `invalid-name` by every method; sizes that
 * are not a whole number of 512-byte sectors, or smaller than a clone's source, with `invalid-size`.
 * Every method is idempotent: making what exists already in the same form, or removing what
 * is not there, succeeds; each either completes or leaves nothing under the final name.
 *
 * A clone never copies data: where blocks cannot be shared it throws `storage-cannot-clone`, unless the user
 * asked for a full copy.
 */
export interface Storage {
  readonly name: string;
  readonly capabilities: StorageCapabilities;

  /** Makes the storage ready for use. Post-condition: the other methods work. Throws `storage-cannot-clone`,
   *  `permission-denied`, `tool-missing`, `disk-full`. */
  init(): Promise<void>;

  /** Cheap check before every use, that mounts again after a reboot what needs mounting. Throws `permission-denied`
   *  when that takes root, `io-failed` when the backing file is gone. */
  open(): Promise<void>;

  /** Undoes `init`: unmounts, detaches; with `purge` the data goes too. */
  deinit(purge: boolean): Promise<void>;

  /** A path on this storage where a raw disk image may be written; `importImage` then takes it over by rename.
   *  The same path for the same image each time; `removeImage` also removes what a killed command left there. */
  stagingPath(imageId: string): Promise<string>;

  /** Takes the raw disk at `path` (from `stagingPath`) over as the image's read-only base. Post-condition: `path` is
   *  gone; an image of that id that was there before is kept. Throws `file-not-found`, `image-invalid`. */
  importImage(image: ImageDisk, path: string): Promise<void>;

  /** A VM's disk from an image's. Throws `image-not-found`, `vm-exists` (a disk of that id and another size),
   *  `storage-cannot-clone`, `disk-full`. */
  cloneImage(image: ImageDisk, vm: VmDisk, options: CloneOptions): Promise<DiskLocation>;

  /** A VM's disk from another VM's, which must be quiet: stopped, or (capability `clonesOpenDisks`) paused or frozen.
   *  Throws as `cloneImage` does, with `vm-not-found`; `wrong-state` when a hypervisor has a disk open that must not be. */
  cloneVm(source: VmDisk, vm: VmDisk, options: CloneOptions): Promise<DiskLocation>;

  /** Where an existing VM's disk is. Does no input or output. */
  locate(vm: VmDisk): DiskLocation;

  /** Makes a VM's disk larger; the same size again succeeds. Throws `unsupported` for smaller, `vm-not-found`,
   *  `wrong-state` when a hypervisor has it open and the driver cannot grow it then. */
  grow(vm: VmDisk, sizeBytes: number): Promise<void>;

  /** Throws `has-dependants` where clones are not independent and one is left. */
  removeImage(image: ImageDisk): Promise<void>;
  removeVm(vm: VmDisk): Promise<void>;

  /** Ids of everything the storage holds, for finding leftovers. */
  list(): Promise<{ readonly imageIds: readonly string[]; readonly vmIds: readonly string[] }>;

  usage(): Promise<StorageUsage>;

  /** Bytes that a VM's disk occupies on the host, shared blocks included, without activating anything. */
  occupiedBytes(vm: VmDisk): Promise<number>;
}

/** How an installation's storage was set up by `init`, as kept in the database. */
export interface StorageConfig {
  readonly driver: string;
  /** Folder that holds the disks (for a file system that ember mounts: the mount point). */
  readonly folder: string;
  /** Backing file that is mounted at `folder` through a loop device, when ember made one. */
  readonly backingFile?: string;
  readonly backingBytes?: number;
}
