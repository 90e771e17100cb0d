import { closeSync, existsSync, openSync, readSync } from "node:fs";
import { EmberError } from "../../errors/ember-error.ts";
import {
  createDevice,
  type DmDevice,
  findDevice,
  listDevices,
  type PoolStatus,
  parsePoolStatus,
  removeDevice,
  replaceTable,
  statusOf,
} from "../../host/dmsetup.ts";
import { writeFileAtomic } from "../../host/files.ts";
import { checkMetadata } from "../../host/thin-tools.ts";
import type { StorageContext, StorageUsage } from "../storage.ts";
import { type Backing, lowerFull, type PoolDevices } from "./backing.ts";
import type { ThinLayout } from "./layout.ts";
import { holdsDisks } from "./records.ts";
import { blockBytes, poolTable } from "./sizes.ts";

/** One storage's parts; what works on them takes this. */
export interface ThinPlace {
  readonly layout: ThinLayout;
  readonly backing: Backing;
  readonly context: StorageContext;
}

export function requireRoot(what: string): void {
  if (process.getuid?.() === 0) return;
  throw new EmberError("permission-denied", `only root can ${what}: it lies in a thin pool of the kernel's`, {
    hint: "run ember as root (sudo), or begin anew with --storage reflink or qcow2",
  });
}

/** The pool's device when it is there and ours. Throws `io-failed` when it lies on something else, or on what is lost. */
export function findPool(place: ThinPlace): DmDevice | undefined {
  const pool = findDevice(place.layout.pool);
  if (pool === undefined) return undefined;
  const wanted = place.backing.below();
  if (pool.below.length === 2 && pool.below.every((name) => wanted.includes(name))) return pool;
  throw new EmberError(
    "io-failed",
    `the thin pool '${pool.name}' does not lie on this storage's data, which has been moved, replaced or lost`,
    {
      hint: `put '${place.layout.dataFile}' back; else stop the VMs, and take the pool down with 'ember deinit'`,
    },
  );
}

/** What ember writes beside a pool that it makes: without it, files of those names are somebody else's. */
export function checkMarker(layout: ThinLayout): void {
  if (existsSync(layout.marker)) return;
  throw new EmberError("io-failed", `the storage at '${layout.folder}' is gone`, {
    hint: "mount or restore it, or begin anew with 'ember init'",
  });
}

/** Under the lock. Makes what is missing of a new storage; disks that are there are never begun anew over. */
export async function makePool(place: ThinPlace, sizeBytes: number): Promise<void> {
  const { layout, backing } = place;
  if (!existsSync(layout.marker)) {
    for (const file of [layout.dataFile, layout.metadataFile]) {
      if (!existsSync(file)) continue;
      throw new EmberError("io-failed", `'${file}' exists and is not a storage that ember made`, {
        hint: "move it away, or choose another place with --storage-path",
      });
    }
    writeFileAtomic(layout.marker, `${JSON.stringify({ version: 1, blockBytes })}\n`);
  }
  if (findPool(place) !== undefined) return;
  const holds = holdsDisks(layout);
  await backing.make(sizeBytes, holds);
  await bringUp(place, { mayBeNew: !holds });
}

/**
 * Under the lock. Post-condition: the pool is active. Its metadata is checked before: the kernel trusts it, and damage
 * would spread. Throws `io-failed`.
 */
export async function bringUp(place: ThinPlace, options: { readonly mayBeNew: boolean }): Promise<void> {
  if (findPool(place) !== undefined) return; // another command was faster
  const { layout, backing } = place;
  try {
    const devices = await backing.attach();
    if (!(options.mayBeNew && beginsWithZeros(devices.metadata))) {
      await checkMetadata(devices.metadata, backing.metadataName);
    }
    await createDevice(layout.pool, tableOn(devices));
  } catch (error) {
    await backing.detach().catch(() => undefined); // the first error says more
    throw error;
  }
}

function tableOn(devices: PoolDevices): string {
  return poolTable(devices.metadata, devices.data, devices.dataBytes);
}

/** The kernel makes new metadata where the superblock is all zeros. */
function beginsWithZeros(device: string): boolean {
  const start = Buffer.alloc(metadataBlockBytes, 1);
  const file = openSync(device, "r");
  try {
    readSync(file, start, 0, start.length, 0);
  } finally {
    closeSync(file);
  }
  return start.every((byte) => byte === 0);
}

/** Under the lock. Post-condition: nothing of the storage is left in the kernel. Idempotent. Throws `busy`. */
export async function takeDown(place: ThinPlace): Promise<void> {
  const { layout, backing } = place;
  const others = new Set(["pool", "meta", "data", "vdo"].map((name) => `${layout.prefix}${name}`));
  const disks = listDevices(layout.prefix).map((device) => device.name);
  for (const name of [...disks.filter((disk) => !others.has(disk)), layout.pool]) {
    if ((await removeDevice(name)) === "gone") continue;
    throw new EmberError("busy", `the disk '${name}' of the storage at '${layout.folder}' is in use`, {
      hint: "stop the VMs, then try again ('dmsetup ls --tree' tells what uses it)",
    });
  }
  await backing.detach();
}

/** Under the lock. Puts a larger table in the pool's place, on backing that has grown. */
export async function growPool(place: ThinPlace, sizeBytes: number | undefined): Promise<void> {
  const devices = await place.backing.grow(sizeBytes);
  await replaceTable(place.layout.pool, tableOn(devices));
}

export async function poolStatus(place: ThinPlace): Promise<PoolStatus> {
  return parsePoolStatus(await statusOf(place.layout.pool));
}

/** Throws `io-failed` unless the pool takes changes. */
export function checkHealth(place: ThinPlace, status: PoolStatus): void {
  const { layout } = place;
  if (status.mode !== "failed" && status.mode !== "ro" && !status.needsCheck) return;
  const how =
    status.mode === "failed" ? "has failed" : "takes no changes any more: its metadata needs a check";
  throw new EmberError("io-failed", `the thin pool of the storage at '${layout.folder}' ${how}`, {
    hint: "stop the VMs, run 'ember deinit' (it keeps the data), then 'ember init', which checks the metadata and says what is to be done",
  });
}

const fullShare = 0.95;
const nearShare = 0.85;

/** How full data or metadata are, whichever is fuller: 0 to 1. */
export function shareUsed(status: PoolStatus): number {
  return Math.max(
    status.usedDataBlocks / status.dataBlocks,
    status.usedMetadataBlocks / status.metadataBlocks,
  );
}

/** Throws `disk-full` or `io-failed` unless the pool has room for `newBytes` more; tells when it soon has not. */
export async function checkRoom(place: ThinPlace, what: string, newBytes = 0): Promise<void> {
  const status = await poolStatus(place);
  checkHealth(place, status);
  const newBlocks = Math.ceil(newBytes / blockBytes);
  const share = shareUsed({ ...status, usedDataBlocks: status.usedDataBlocks + newBlocks });
  const percent = `${Math.floor(share * 100)} %`;
  if (share >= fullShare || status.mode === "out_of_data_space") {
    const now = newBlocks === 0 ? `is ${percent} full` : `would be ${percent} full`;
    throw new EmberError("disk-full", `cannot ${what}: the storage's thin pool ${now}`, {
      hint: "make it larger ('ember storage grow'), or delete VMs, snapshots or images; running VMs get input/output errors once it is at 100 %",
    });
  }
  const lower = await place.backing.lower();
  if (lower?.full === true) throw lowerFull(what, lower);
  if (share >= nearShare) {
    place.context.notice(
      `the storage is ${percent} full: make it larger ('ember storage grow') or delete what is not needed; at 95 % nothing new can be made or started`,
    );
  }
}

const metadataBlockBytes = 4096;

export async function poolUsage(place: ThinPlace): Promise<StorageUsage> {
  const status = await poolStatus(place);
  const reservedBytes = status.metadataBlocks * metadataBlockBytes;
  const lower = await place.backing.lower();
  const freeBytes = (status.dataBlocks - status.usedDataBlocks) * blockBytes;
  return {
    capacityBytes: reservedBytes + status.dataBlocks * blockBytes,
    usedBytes: reservedBytes + status.usedDataBlocks * blockBytes,
    freeBytes: Math.min(freeBytes, lower?.freeBytes ?? freeBytes),
    reservedBytes,
  };
}
