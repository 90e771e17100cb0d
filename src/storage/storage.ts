/** What kind of thing a disk belongs to. Ids are ember's own (hex), so they are safe in paths and names. */
export interface ImageDisk {
  readonly imageId: string;
}
export interface VmDisk {
  readonly vmId: string;
}
/** A VM's disk as it was when the snapshot was made. Snapshot ids are unique in an installation. */
export interface SnapshotDisk {
  readonly vmId: string;
  readonly snapshotId: string;
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
  /** A fork goes on working when the VM it was forked from is deleted. False: there is `dependentForks`. */
  readonly independentForks: boolean;
  /** A VM's disk can be cloned while a hypervisor has it open and is paused. False: the source must be stopped. */
  readonly clonesOpenDisks: boolean;
  /** `grow` may be used while a hypervisor has the disk open (which must be told then). */
  readonly growsOpenDisks: boolean;
}

export interface StorageUsage {
  readonly capacityBytes: number;
  readonly usedBytes: number;
  readonly freeBytes: number;
  /** Part of `usedBytes` that holds no disk's data: metadata, room kept back by the file system. Null: not known. */
  readonly reservedBytes: number | null;
}

/** What one disk takes, in bytes of the storage. Null: the storage cannot know. */
export interface DiskUsage {
  readonly disk:
    | ({ readonly kind: "image" } & ImageDisk)
    | ({ readonly kind: "vm" } & VmDisk)
    | ({ readonly kind: "snapshot" } & SnapshotDisk);
  /** The disk's size as the guest sees it. */
  readonly provisionedBytes: number;
  /** What it refers to, shared with others or not. */
  readonly referencedBytes: number | null;
  /** Part of `referencedBytes` that nothing else refers to. */
  readonly exclusiveBytes: number | null;
  /** `referencedBytes` before compression, where the storage compresses. */
  readonly logicalBytes: number | null;
  /** What becomes free when it is deleted: for a VM together with its snapshots. */
  readonly freesBytes: number | null;
}

/** A disk that is open for reading until it is disposed. */
export interface ReadableDisk extends DiskLocation, AsyncDisposable {
  readonly sizeBytes: number;
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

  /** Where an existing VM's disk is once it is active. Does no input or output. */
  locate(vm: VmDisk): DiskLocation;

  /** Post-condition: the VM's disk can be opened where `locate` says. Throws `vm-not-found`, `disk-full` (a pool that
   *  is too full to run on), `io-failed`. */
  activate(vm: VmDisk): Promise<DiskLocation>;

  /** Undoes `activate`, and what a clone left active; nothing has the disk open any more. Works on a storage that is
   *  not open, or broken. */
  deactivate(vm: VmDisk): Promise<void>;

  /** Makes a VM's disk larger; the same size again succeeds. Throws `unsupported` for smaller, `vm-not-found`,
   *  `wrong-state` when a hypervisor has it open and the driver cannot grow it then. */
  grow(vm: VmDisk, sizeBytes: number): Promise<void>;

  /** Keeps a VM's disk as it is now; the VM is quiet as for `cloneVm`. Throws `vm-not-found`, `disk-full`,
   *  `storage-cannot-clone`, `wrong-state` as `cloneVm` does. */
  snapshot(snapshot: SnapshotDisk): Promise<void>;

  /** Makes the disk of a stopped VM what the snapshot holds, its size included; the snapshot and all others stay.
   *  Killed anywhere, the disk is the old one or the new one. Throws `vm-not-found`, `snapshot-not-found`,
   *  `disk-full`, `wrong-state` when a hypervisor has the disk open. */
  restore(snapshot: SnapshotDisk): Promise<void>;

  /** A VM's disk from a snapshot of another's, as `cloneVm` does; the source VM need not be quiet. What this leaves
   *  behind goes with the clone: `removeSnapshot` succeeds while it lives. Throws `snapshot-not-found`, `vm-exists`,
   *  `storage-cannot-clone`, `disk-full`. */
  cloneSnapshot(source: SnapshotDisk, vm: VmDisk, options: CloneOptions): Promise<DiskLocation>;

  /** The snapshot's content, to be read only. Throws `snapshot-not-found`. */
  readSnapshot(snapshot: SnapshotDisk): Promise<ReadableDisk>;

  removeSnapshot(snapshot: SnapshotDisk): Promise<void>;

  /** Throws `has-dependants` where clones are not independent and one is left. */
  removeImage(image: ImageDisk): Promise<void>;

  /** Removes a VM's disk and its snapshots. Throws `has-dependants` where forks are not independent and one is left,
   *  `busy` when something has it open. */
  removeVm(vm: VmDisk): Promise<void>;

  /** Only where forks are not independent. */
  readonly dependentForks?: DependentForks;

  /** Ids of everything the storage holds, for finding leftovers. */
  list(): Promise<StorageContent>;

  usage(): Promise<StorageUsage>;

  /** What each disk takes, exactly, what shared blocks are shared by included. Activates nothing. */
  diskUsage(): Promise<readonly DiskUsage[]>;

  /** Bytes that a VM's disk occupies on the host, shared blocks included, without activating anything. */
  occupiedBytes(vm: VmDisk): Promise<number>;

  /** Only where the storage has a size of its own. Post-condition: its capacity is `sizeBytes` (without it: all of the
   *  device it lies on). Works while VMs run. Throws `invalid-size`, `unsupported` for smaller, `disk-full`. */
  readonly expand?: (sizeBytes: number | undefined) => Promise<void>;

  /** Gives free blocks back to what the storage lies on, where deleting does not do so by itself. */
  readonly trim?: () => Promise<void>;
}

export interface DependentForks {
  /** Ids of the VMs whose disks cannot do without this one's, or without one of its snapshots. */
  list(vm: VmDisk): Promise<readonly string[]>;
  /** Post-condition: no disk needs the VM's; of its snapshots none is needed either. */
  detach(vm: VmDisk): Promise<void>;
}

export interface StorageContent {
  readonly imageIds: readonly string[];
  readonly vmIds: readonly string[];
  readonly snapshots: readonly SnapshotDisk[];
}

/** Numbers that a driver gives to disks, kept in the state database. */
export interface DiskNumbers {
  /** The number of `key`, taken from those between 1 and `largest` that are free when it has none yet. */
  take(key: string, largest: number): number;
  find(key: string): number | undefined;
  /** Idempotent. */
  free(key: string): void;
  all(): ReadonlyMap<string, number>;
}

/** What a driver is given besides its configuration. */
export interface StorageContext {
  readonly numbers: DiskNumbers;
  /** Receives what a user should be told, such as that the pool is nearly full. */
  readonly notice: (line: string) => void;
}

/** How an installation's storage was set up by `init`, as kept in the database. */
export interface StorageConfig {
  readonly driver: string;
  /** Folder that holds the disks (for a file system that ember mounts: the mount point; for block storage: what is
   *  staged for import). */
  readonly folder: string;
  /** Sparse file that ember made for this storage: a file system, or a pool's data. */
  readonly backingFile?: string;
  readonly backingBytes?: number;
  /** Block device in place of the backing file. */
  readonly device?: string;
  /** What ember made in `backingFile` or on `device`. Default "xfs". */
  readonly fileSystem?: "xfs" | "btrfs";
  /** zfs: the pool, and whether ember made it (else it is somebody's, and only the dataset is ember's). */
  readonly pool?: string;
  readonly ownsPool?: boolean;
  readonly dataset?: string;
  /** dm-thin: a compressing dm-vdo below the pool. */
  readonly vdo?: boolean;
}
