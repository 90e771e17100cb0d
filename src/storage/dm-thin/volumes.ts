import { basename } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import {
  createDevice,
  findDevice,
  listDevices,
  mapperPath,
  openCount,
  parseThinStatus,
  removeDevice,
  replaceTable,
  resumeDevice,
  sendMessage,
  statusOf,
  suspendDevice,
  tableOf,
} from "../../host/dmsetup.ts";
import { run } from "../../host/run.ts";
import type { VmDisk } from "../storage.ts";
import { scratchDevice, vmDevice } from "./layout.ts";
import { requireRoot, type ThinPlace } from "./pool.ts";
import { type DiskRecord, readDisks, removeScratch } from "./records.ts";
import { blockBytes, sectorBytes, thinTable } from "./sizes.ts";

// The thin devices of the pool, and the devices of the kernel by which they are opened. All of this under the lock.

const largestThinId = 2 ** 24 - 1;

/** A thin device's number is taken under `key` before the device is made, so that what is left unfinished is found. */
async function makeThin(place: ThinPlace, key: string, message: (thinId: number) => string): Promise<number> {
  const { numbers } = place.context;
  const { pool } = place.layout;
  const thinId = numbers.take(key, largestThinId);
  if ((await sendMessage(pool, message(thinId), ["exists"])) === undefined) return thinId;
  // The database knows less than the pool (it was restored, or begun anew): what a disk's record names is kept.
  const used = new Set(readDisks(place.layout).map(({ record }) => record.thinId));
  let free = thinId;
  for (let attempt = 1; used.has(free); attempt += 1) free = numbers.take(`${key}.${attempt}`, largestThinId);
  await sendMessage(pool, `delete ${free}`, ["absent"]);
  await sendMessage(pool, message(free));
  return free;
}

export function makeEmpty(place: ThinPlace, key: string): Promise<number> {
  return makeThin(place, key, (thinId) => `create_thin ${thinId}`);
}

/**
 * A thin device that shares all blocks with `originId`. `originDevice` is by what the origin may be open: it is still
 * while the kernel looks. Killed in between, it stays so until the next command (sweep.ts).
 */
export async function makeClone(
  place: ThinPlace,
  key: string,
  originId: number,
  originDevice?: string,
): Promise<number> {
  const make = (): Promise<number> => makeThin(place, key, (thinId) => `create_snap ${thinId} ${originId}`);
  if (originDevice === undefined || findDevice(originDevice) === undefined) return make();
  await suspendDevice(originDevice);
  try {
    return await make();
  } finally {
    await resumeDevice(originDevice);
  }
}

/** Removes a thin device that no record names, gives its blocks back to what the pool lies on, and frees its number. */
export async function dropThin(place: ThinPlace, thinId: number): Promise<void> {
  const { layout, context } = place;
  await discardThin(place, thinId);
  if ((await sendMessage(layout.pool, `delete ${thinId}`, ["absent", "busy"])) === "busy") {
    throw new EmberError("busy", `the thin device ${thinId} of '${layout.pool}' is in use`);
  }
  for (const [key, number] of context.numbers.all()) if (number === thinId) context.numbers.free(key);
}

const beyondAnyDiskBytes = 2 ** 50;

/** Deleting a thin device frees its blocks within the pool only; discarding them reaches the file below as well. */
async function discardThin(place: ThinPlace, thinId: number): Promise<void> {
  const device = `${place.layout.prefix}drop-${thinId}`;
  try {
    await removeDevice(device);
    await createDevice(device, thinTable(mapperPath(place.layout.pool), thinId, beyondAnyDiskBytes));
    const mapped = parseThinStatus(await statusOf(device));
    if (mapped === null || mapped.mapped === 0) return;
    await run("blkdiscard", ["--force", "--length", String(mapped.end * sectorBytes), mapperPath(device)], {
      timeoutMs: 600_000,
    });
  } catch {
    // Not there any more, or a pool or device that takes no discards: deleting tells, and frees what can be freed.
  } finally {
    await removeDevice(device);
  }
}

/** Undoes what has been made under a scratch file's name. What cannot be undone now is when the owner has ended. */
export async function undo(place: ThinPlace, scratch: string): Promise<void> {
  try {
    await removeDevice(scratchDevice(place.layout, basename(scratch)));
    const used = new Set(readDisks(place.layout).map(({ record }) => record.thinId));
    for (const [key, thinId] of place.context.numbers.all()) {
      if (key.startsWith(basename(scratch)) && !used.has(thinId)) await dropThin(place, thinId);
    }
    removeScratch(scratch);
  } catch {
    // the error that made this necessary says more
  }
}

/** Post-condition: the VM's device is there, as its record says. */
export async function activateDisk(place: ThinPlace, vm: VmDisk, record: DiskRecord): Promise<void> {
  const name = vmDevice(place.layout, vm);
  const table = thinTable(mapperPath(place.layout.pool), record.thinId, record.sizeBytes);
  const found = findDevice(name);
  if (found === undefined) return createDevice(name, table);
  if (found.suspended) await resumeDevice(name);
  const [, , , , thinId] = (await tableOf(name)).split(" ");
  if (Number(thinId) !== record.thinId) {
    await deactivateDisk(place, vm); // left by a command that was killed
    return createDevice(name, table);
  }
  if (found.sectors !== record.sizeBytes / sectorBytes) await replaceTable(name, table);
}

/** Idempotent; needs neither the lock nor the storage's folder. Throws `busy`. */
export async function deactivateDisk(place: ThinPlace, vm: VmDisk): Promise<void> {
  const found = findDevice(vmDevice(place.layout, vm));
  if (found === undefined) return;
  requireRoot("close a VM's disk");
  if (found.suspended) await resumeDevice(found.name); // nothing would ever finish writing to it
  if ((await removeDevice(found.name)) === "gone") return;
  throw new EmberError("busy", `the disk of VM '${vm.vmId}' is in use`, {
    hint: `stop the VM; 'fuser -v ${mapperPath(vmDevice(place.layout, vm))}' tells what else has it open`,
  });
}

/** Whether something, such as a hypervisor, has the VM's disk open. */
export async function isOpen(place: ThinPlace, vm: VmDisk): Promise<boolean> {
  const name = vmDevice(place.layout, vm);
  return findDevice(name) !== undefined && (await openCount(name)) > 0;
}

/** Lets all of the storage's devices go on that a killed command left suspended. */
export async function resumeAll(place: ThinPlace): Promise<void> {
  for (const device of listDevices(place.layout.prefix))
    if (device.suspended) await resumeDevice(device.name);
}

/** Copies a raw file into an empty thin device; blocks of zeros stay unmapped. Needs no lock. */
export async function fillDevice(path: string, device: string): Promise<void> {
  const block = `bs=${blockBytes}`;
  await run(
    "dd",
    [`if=${path}`, `of=${mapperPath(device)}`, block, "conv=sparse,nocreat,fsync", "status=none"],
    {
      timeoutMs: 6 * 3_600_000,
      contained: true,
    },
  );
}
