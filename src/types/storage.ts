import type { VmStatus } from "./vm.ts";

/** A VM's disk as it was at one time. */
export interface SnapshotSummary {
  readonly id: string;
  readonly vm: string;
  readonly name: string;
  /** Size of the disk then. */
  readonly diskBytes: number;
  /** What the VM did then; a running VM's file systems were frozen, so that what it had written is whole. */
  readonly vmStatus: VmStatus;
  readonly createdAt: string;
}

/** One file that differs between two states of a disk. */
export interface FileChange {
  readonly change: "added" | "modified" | "removed";
  /** Absolute, in the guest. Bytes that are not UTF-8 appear as U+FFFD. */
  readonly path: string;
  readonly type: "file" | "directory" | "symlink" | "device" | "fifo" | "socket";
  /** What differs, for "modified": "content", "mode", "owner", "xattrs", "type", "target", "device". */
  readonly aspects: readonly string[];
  /** Sizes of a file's content; null where there is none. */
  readonly sizeBefore: number | null;
  readonly sizeAfter: number | null;
}

/** What a VM, a snapshot or an image takes on the storage. Null: the storage cannot know. */
export interface DiskUsageRow {
  readonly kind: "image" | "vm" | "snapshot";
  /** A snapshot's is VM/NAME. */
  readonly name: string;
  readonly provisionedBytes: number;
  readonly referencedBytes: number | null;
  readonly exclusiveBytes: number | null;
  readonly sharedBytes: number | null;
  /** `referencedBytes` before compression. */
  readonly logicalBytes: number | null;
  /** logicalBytes / referencedBytes. */
  readonly compressionRatio: number | null;
  /** What deleting it would free, for a VM together with its snapshots. */
  readonly freesBytes: number | null;
}

export interface StorageReport {
  readonly storage: string;
  readonly path: string;
  readonly pool: {
    readonly capacityBytes: number;
    readonly usedBytes: number;
    readonly freeBytes: number;
    readonly reservedBytes: number | null;
  };
  /** Images, then VMs, each followed by its snapshots; by name. */
  readonly disks: readonly DiskUsageRow[];
}

/** How much copy-on-write saves. */
export interface StorageEfficiency {
  readonly images: CountedBytes;
  readonly vms: CountedBytes;
  readonly snapshots: CountedBytes;
  /** Sum of what all refer to, as if nothing were shared. */
  readonly logicalBytes: number | null;
  /** What they really take together. */
  readonly actualBytes: number | null;
  /** logicalBytes / actualBytes. */
  readonly ratio: number | null;
}

export interface CountedBytes {
  readonly count: number;
  readonly logicalBytes: number | null;
}

export interface TrimReport {
  readonly vm: string;
  /** False: the VM did not run; its disk was trimmed when it was stopped. */
  readonly trimmed: boolean;
  /** What the guest's file systems said that they discarded. */
  readonly trimmedBytes: number;
}

/** A node of `vm tree`: images at the root, below each the VMs made from it, below a VM its snapshots and forks. */
export interface TreeNode {
  readonly kind: "image" | "vm" | "snapshot";
  readonly name: string;
  /** A VM's status; null for the others. */
  readonly status: VmStatus | null;
  /** Bytes of its own; null when the storage cannot know, or is not available. */
  readonly exclusiveBytes: number | null;
  readonly children: readonly TreeNode[];
}
