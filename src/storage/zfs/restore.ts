import { EmberError } from "../../errors/ember-error.ts";
import { randomHex } from "../../host/random.ts";
import { waitForCommands } from "../../host/zfs.ts";
import { readScratchName, scratchName } from "../scratch.ts";
import type { SnapshotDisk, VmDisk } from "../storage.ts";
import { vmGone } from "./clone.ts";
import { isOpen, waitForDevice } from "./device.ts";
import { findSnapshot } from "./find.ts";
import {
  detachedProperty,
  lastPart,
  snapshotLabel,
  vmIdOfName,
  vmName,
  volumeBlockBytes,
  volumeOf,
} from "./names.ts";
import {
  askedBytes,
  change,
  changeWhenQuiet,
  checkRoom,
  diskMark,
  isDetached,
  isWhole,
  look,
  lookAtAll,
  type Place,
  roomNames,
  setActive,
  underway,
} from "./place.ts";
import { dropIfEmpty, groupOf } from "./remove.ts";

/**
 * See Storage.restore. A rollback would destroy the snapshots made since, so a clone of the snapshot takes the disk's
 * place, and the old volume is put aside for the sake of its snapshots. Killed between the two renames, `sweep` does the
 * second: the clone's name tells whose disk it is to become.
 */
export async function restore(place: Place, snapshot: SnapshotDisk): Promise<void> {
  const { history, scratch } = place.names;
  const name = vmName(place.names, snapshot);
  const rows = await look(place, [...roomNames(place), name]);
  const current = rows.get(name);
  snapshotLabel(snapshot); // ids first
  if (current === undefined || !isWhole(current)) throw vmGone(snapshot);
  const { row } = await findSnapshot(place, snapshot);
  checkRoom(place, rows);
  if (isOpen(name)) {
    throw new EmberError("wrong-state", `the disk of VM '${snapshot.vmId}' is in use`, {
      hint: "stop the VM first",
    });
  }
  const active = current.volmode === "dev";
  await underway(place, snapshot.vmId, async () => {
    const fresh = `${scratch}/swap.${scratchName("new", snapshot.vmId)}`;
    const marks = ["-o", diskMark(snapshot.vmId, askedBytes(row))];
    if (isDetached(current)) marks.push("-o", `${detachedProperty}=yes`);
    try {
      await change(place, ["clone", ...marks, row.name, fresh]);
      if (active) await setActive(place, name, false);
      await changeWhenQuiet(place, ["rename", name, `${history}/${snapshot.vmId}-${randomHex(4)}`]);
      await changeWhenQuiet(place, ["rename", fresh, name]);
    } catch (error) {
      await settleSwap(place, fresh, snapshot);
      throw error;
    }
    await tidy(place, snapshot);
  });
  if (!active) return;
  await setActive(place, name, true);
  await waitForDevice(name);
}

/** Ends a swap that stopped somewhere: finished when the old disk is put aside already, else undone. */
async function settleSwap(place: Place, fresh: string, vm: VmDisk): Promise<void> {
  const name = vmName(place.names, vm);
  const rows = await look(place, [fresh, name]);
  if (!rows.has(fresh)) return;
  if (rows.has(name)) await changeWhenQuiet(place, ["destroy", fresh], ["missing"]);
  else await changeWhenQuiet(place, ["rename", fresh, name], ["missing"]);
}

/**
 * Makes the disk own the snapshots that it comes from, so that removing one frees its blocks, and empties what is put
 * aside, so that only snapshots hold blocks there. Idempotent.
 */
async function tidy(place: Place, vm: VmDisk): Promise<void> {
  const name = vmName(place.names, vm);
  for (let rounds = 0; rounds < 1000; rounds += 1) {
    const origin = (await look(place, [name])).get(name)?.origin;
    if (origin === undefined || vmIdOfName(place.names, origin) !== vm.vmId) break;
    await change(place, ["promote", name]);
  }
  const { volumes, snapshots } = await groupOf(place, vm);
  for (const volume of volumes) {
    if (volume.name === name) continue;
    if (!snapshots.some((snapshot) => volumeOf(snapshot.name) === volume.name)) {
      await changeWhenQuiet(place, ["destroy", volume.name], ["missing"]);
      continue;
    }
    if (volume.volmode === "dev") await setActive(place, volume.name, false);
    if (volume.sizeBytes === volumeBlockBytes) continue;
    await change(place, ["set", `volsize=${volumeBlockBytes}`, volume.name]);
  }
}

/**
 * Removes or finishes what killed commands left in the pool. `noted` are the ids in the names of the files that they had
 * in the staging folder. Idempotent; leaves alone what a living command has under way. Returns whether nothing is left:
 * something may still have a device open that a killed command was reading.
 */
export async function sweep(place: Place, noted: readonly string[]): Promise<boolean> {
  try {
    await sweepAll(place, noted);
    return true;
  } catch (error) {
    if (error instanceof EmberError && error.code === "busy") return false;
    throw error;
  }
}

async function sweepAll(place: Place, noted: readonly string[]): Promise<void> {
  const { vms, history } = place.names;
  await waitForCommands(place.layout.staging);
  const rows = await lookAtAll(place);
  for (const { name, deferred } of rows.values()) {
    const owned = readScratchName(lastPart(name).replace(/^.*@/, ""));
    if (owned?.ownerAlive !== false) continue;
    const swap = /^swap\.new-([0-9a-f]+)-/.exec(lastPart(name))?.[1];
    if (swap !== undefined) await settleSwap(place, name, { vmId: swap });
    else if (!name.includes("@")) await changeWhenQuiet(place, ["destroy", "-r", name], ["missing"]);
    else if (!deferred) await changeWhenQuiet(place, ["destroy", "-d", name], ["missing"]);
  }
  for (const vmId of new Set(noted)) {
    if ((await look(place, [`${vms}/${vmId}`])).size > 0) await tidy(place, { vmId });
  }
  for (const name of rows.keys()) {
    const vmId = name.startsWith(`${history}/`) ? vmIdOfName(place.names, name) : undefined;
    // Without its disk it may be what a living restore has just put aside.
    if (!name.includes("@") && rows.has(`${vms}/${vmId}`)) await dropIfEmpty(place, name);
  }
}
