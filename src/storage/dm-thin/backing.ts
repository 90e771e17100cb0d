import { EmberError } from "../../errors/ember-error.ts";
import type { StorageConfig } from "../storage.ts";
import { deviceBacking } from "./backing-device.ts";
import { fileBacking } from "./backing-files.ts";
import type { ThinLayout } from "./layout.ts";
import { withVdo } from "./vdo.ts";

export interface PoolDevices {
  /** Path of the device with the metadata. */
  readonly metadata: string;
  readonly data: string;
  readonly dataBytes: number;
}

/** Space below the pool: of the file system that holds its sparse files, or of a dm-vdo. */
export interface LowerSpace {
  readonly freeBytes: number;
  /** Nothing new may be begun: writes to disks that are there will soon fail. */
  readonly full: boolean;
  /** For a message: "the ... is full". */
  readonly what: string;
}

export function lowerFull(what: string, lower: LowerSpace, cause?: unknown): EmberError {
  return new EmberError("disk-full", `cannot ${what}: ${lower.what} is full`, {
    hint: "free some space there, or delete VMs, snapshots or images; stop the VMs before it is too late for their writes",
    cause,
  });
}

/** What the pool lies on. Methods that change something are called under the storage's lock, by root. */
export interface Backing {
  /** What a user knows the metadata by. */
  readonly metadataName: string;
  /** The attached device with the metadata. Throws `io-failed` when there is none. */
  metadataPath(): string;
  /** Kernel names of the devices that a pool on this backing must lie on, empty when they are not there. */
  below(): readonly string[];
  /** Post-condition: there is room for a pool, with metadata of zeros if it is new. Idempotent; never takes over what
   *  is not ember's, nor begins anew under disks. Throws `io-failed`, `already-initialized`, `invalid-size`. */
  make(sizeBytes: number, holdsDisks: boolean): Promise<void>;
  /** Post-condition: the pool's devices are there. Idempotent. Throws `io-failed` when something is gone. */
  attach(): Promise<PoolDevices>;
  /** Makes room for a pool of `sizeBytes`; the metadata may grow as well. Throws `unsupported` for smaller. */
  grow(sizeBytes: number | undefined): Promise<PoolDevices>;
  /** Idempotent. Throws `busy`. */
  detach(): Promise<void>;
  /** The data goes. Called after `detach`. Idempotent. */
  purge(): Promise<void>;
  /** What is left of that which the pool's blocks are only promised from; undefined when they are set aside. */
  lower(): Promise<LowerSpace | undefined>;
}

export function backingOf(config: StorageConfig, layout: ThinLayout): Backing {
  const backing = config.device === undefined ? fileBacking(layout) : deviceBacking(config.device, layout);
  return config.vdo === true ? withVdo(backing, layout) : backing;
}
