import { EmberError } from "../../errors/ember-error.ts";
import { randomHex } from "../../host/random.ts";
import { scratchName } from "../scratch.ts";
import type { ReadableDisk, SnapshotDisk } from "../storage.ts";
import { vmGone } from "./clone.ts";
import { flushDevice, waitForDevice } from "./device.ts";
import { findSnapshot } from "./find.ts";
import { snapshotLabel, vmName, volumeOf } from "./names.ts";
import {
  begun,
  change,
  changeWhenQuiet,
  checkRoom,
  isWhole,
  look,
  type Place,
  roomNames,
  underway,
} from "./place.ts";
import { dropIfEmpty } from "./remove.ts";

/** See Storage.snapshot. Guests wait for it, frozen: it asks ZFS once, and flushes what a hypervisor has written. */
export async function makeSnapshot(place: Place, snapshot: SnapshotDisk): Promise<void> {
  const volume = vmName(place.names, snapshot);
  const name = `${volume}@${snapshotLabel(snapshot)}`;
  const rows = await look(place, [...roomNames(place), volume, name]);
  const row = rows.get(volume);
  if (row === undefined || !isWhole(row)) throw vmGone(snapshot);
  const before = rows.get(name);
  if (before !== undefined && !before.deferred) return;
  checkRoom(place, rows);
  flushDevice(volume);
  await underway(place, snapshot.vmId, async () => {
    // One of that id was removed, and waits for its clones to go.
    if (before !== undefined) await change(place, ["rename", name, `${volume}@removed-${randomHex(8)}`]);
    const { problem } = await change(place, ["snapshot", name], ["missing", "exists"]);
    if (problem === "missing") throw vmGone(snapshot);
  });
}

/** See Storage.readSnapshot: a clone of it, with a device of its own, that lasts as long as it is read. */
export async function readSnapshot(place: Place, snapshot: SnapshotDisk): Promise<ReadableDisk> {
  const { scratch } = place.names;
  const { row } = await findSnapshot(place, snapshot);
  const volume = `${scratch}/read.${scratchName("new", snapshot.vmId)}`;
  const drop = (): Promise<unknown> => changeWhenQuiet(place, ["destroy", volume], ["missing"]);
  const [path, finish] = await begun(place, snapshot.vmId, async () => {
    try {
      await change(place, ["clone", "-o", "readonly=on", "-o", "volmode=dev", row.name, volume]);
      return await waitForDevice(volume);
    } catch (error) {
      await drop();
      throw error;
    }
  });
  return {
    path,
    format: "raw",
    sizeBytes: row.sizeBytes ?? 0,
    [Symbol.asyncDispose]: async () => {
      await drop();
      finish();
      await dropIfEmpty(place, volumeOf(row.name)); // it may have been removed while it was read
    },
  };
}

/** See Storage.removeSnapshot. Where a disk was cloned from it, ZFS keeps it for as long as that is needed. */
export async function removeSnapshot(place: Place, snapshot: SnapshotDisk): Promise<void> {
  const found = await findSnapshot(place, snapshot).catch(ignoreGone);
  if (found === undefined) return;
  await underway(place, snapshot.vmId, async () => {
    await changeWhenQuiet(place, ["destroy", "-d", found.row.name], ["missing"]);
    await dropIfEmpty(place, volumeOf(found.row.name));
  });
}

function ignoreGone(error: unknown): undefined {
  if (error instanceof EmberError && error.code === "snapshot-not-found") return undefined;
  throw error;
}
