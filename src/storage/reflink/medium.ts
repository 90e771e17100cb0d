import type { FileSystem } from "./file-systems.ts";

/** What a file system of ember's own lies on: a sparse file, or a block device. */
export interface Medium {
  readonly path: string;
  readonly isDevice: boolean;
  /** Folder of the host whose room it takes as it fills; undefined for a device. */
  readonly hostFolder: string | undefined;
  /** Whether a block device, by its kernel's name, is this one, or a loop device on this file. */
  isBelow(device: string): boolean;
  /** Post-condition: ember's file system of that kind is on it, whole. Idempotent; nothing else is ever written over.
   *  Throws `invalid-size`, `io-failed`, `already-initialized`, `disk-full`. */
  make(kind: FileSystem): Promise<void>;
  /** Throws `io-failed` unless it is there and carries ember's file system of that kind. */
  check(kind: FileSystem): void;
  /** Post-condition: it has that size, and the kernel knows it. Throws as Storage.expand does, and `usage`. */
  grow(kind: FileSystem, sizeBytes: number | undefined): Promise<void>;
  /** Called after each mount. */
  settle(): Promise<void>;
  /** Post-condition: the kernel holds nothing of it open, once it is not mounted. Throws `busy`. */
  release(): Promise<void>;
  /** The data goes; what is not ember's stays. Idempotent. */
  purge(kind: FileSystem): Promise<void>;
}
