import type { OnExtent } from "../../host/filefrag.ts";

/** What a platform has for disks that share blocks. */
export interface ReflinkMeans {
  /**
   * Post-condition: `target`, which was not there, is a file with all of `source`'s blocks, and none was copied; or it is
   * not there. Throws `storage-cannot-clone`, `disk-full`, system errors (EEXIST, ENOENT, and those of `isCannotShare`).
   */
  share(source: string, target: string): Promise<void>;

  /** Copies every block but not the holes, where the platform can do that. The target was not there. */
  readonly copy?: (source: string, target: string) => Promise<void>;

  /** What to do about a file system that cannot share blocks. */
  readonly remedy: string;

  /** Post-condition: what was written to files in the folder has its place on the disk. */
  settle(folder: string): Promise<void>;

  /** See `readExtents` in src/host/filefrag.ts. */
  readExtents(folder: string, names: readonly string[], onExtent: OnExtent): Promise<ReadonlySet<number>>;

  /**
   * Whether the file system says of an extent that other files have it too. Where it does not, what disks have in
   * common is found by comparing them with each other.
   */
  readonly tellsShared: boolean;

  /** Whether a hypervisor has the disk open: a safety net under what the callers know; false where it cannot be told. */
  isInUse(path: string): boolean;
}
