import type { StorageConfig } from "./storage.ts";

/** What a user asked `init` for. What a driver has no use for, it refuses with `usage`. */
export interface StorageWish {
  readonly stateDir: string;
  /** Folder for the disks instead of `<stateDir>/storage`. A storage file lies beside it (see each driver). */
  readonly storagePath?: string;
  /** A storage of that size of its own: a file of ember's. */
  readonly sizeBytes?: number;
  /** A block device that ember may take as a whole. */
  readonly device?: string;
  /** What to make in the file or on the device, for `reflink`. */
  readonly fileSystem?: "xfs" | "btrfs";
  /** zfs: a pool that exists, or the name of the one to make. */
  readonly pool?: string;
  readonly dataset?: string;
  /** dm-thin: compress with dm-vdo. */
  readonly vdo?: boolean;
}

export interface StorageChoice {
  readonly config: StorageConfig;
  /** One line for `init` to print: what was chosen and why. */
  readonly reason: string;
  /** Nothing of ember's was there before: undoing `init` may purge it. */
  readonly fresh: boolean;
}
