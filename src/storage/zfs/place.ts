import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { poolFull, type ZfsAnswer, type ZfsProblem, zfs, zfsWhenQuiet } from "../../host/zfs.ts";
import { type ListOptions, type ZfsRow, zfsList } from "../../host/zfs-list.ts";
import type { Layout } from "../layout.ts";
import { scratchName } from "../scratch.ts";
import type { StorageContext } from "../storage.ts";
import {
  detachedProperty,
  diskProperty,
  lastPart,
  type Names,
  volumeBlockBytes,
  volumeBytes,
} from "./names.ts";
import type { Pool } from "./pool.ts";

/** What every part of the driver works on. */
export interface Place {
  readonly names: Names;
  /** The staging folder on the state folder's file system. */
  readonly layout: Layout;
  readonly pool: Pool;
  readonly context: StorageContext;
}

/** Volumes and snapshots by name, as far as they exist. */
export async function look(
  place: Place,
  wanted: readonly string[],
  options: Omit<ListOptions, "properties"> = {},
): Promise<Map<string, ZfsRow>> {
  const properties = [diskProperty, detachedProperty];
  const rows = await zfsList(place.names.pool, wanted, { ...options, properties });
  return new Map(rows.map((row) => [row.name, row]));
}

/** Runs a zfs command that changes something. Throws as `zfs` does. */
export function change(
  place: Place,
  args: readonly string[],
  tolerated: readonly ZfsProblem[] = [],
): Promise<ZfsAnswer> {
  return zfs(place.names.pool, args, tolerated, place.layout.staging);
}

/** As `change`, when something may still have the volume open. */
export function changeWhenQuiet(
  place: Place,
  args: readonly string[],
  tolerated: readonly ZfsProblem[] = [],
): Promise<ZfsAnswer> {
  return zfsWhenQuiet(place.names.pool, args, tolerated, place.layout.staging);
}

/** Everything in ember's dataset. Throws `io-failed` when it is gone. */
export async function lookAtAll(place: Place): Promise<Map<string, ZfsRow>> {
  const rows = await look(place, [place.names.root], { recursive: true });
  if (rows.has(place.names.root)) return rows;
  throw new EmberError("io-failed", `the dataset '${place.names.root}' is gone`, {
    hint: "bring it back, or run 'ember deinit --purge' and 'ember init' to begin anew",
  });
}

/**
 * The mark of a volume: whose disk it is, and the size that was asked for. It is set after the size, so a volume with it
 * was made to the end.
 */
export function diskMark(id: string, sizeBytes: number): string {
  return `${diskProperty}=${id}:${sizeBytes}`;
}

/** Whether a VM's volume was made to the end. */
export function isWhole(row: ZfsRow): boolean {
  return row.properties[0]?.split(":")[0] === lastPart(row.name);
}

/** The least size that was asked for and is kept as this volume or snapshot: volumes are whole blocks. */
export function askedBytes(row: ZfsRow): number {
  const volume = row.sizeBytes ?? 0;
  const asked = Number(row.properties[0]?.split(":")[1]);
  // A snapshot shows the mark of its volume, which may have grown since.
  return volumeBytes(asked) === volume ? asked : volume - volumeBlockBytes + 512;
}

export function isDetached(row: ZfsRow): boolean {
  return row.properties[1] === "yes";
}

/**
 * Runs something that takes several steps in the pool. A file in the staging folder tells whose it is while it lasts, so
 * that `open` need not ask ZFS whether a killed command left anything.
 */
export async function underway<T>(place: Place, id: string, work: () => Promise<T>): Promise<T> {
  const [result, finish] = await begun(place, id, work);
  finish();
  return result;
}

/** As `underway`, for what lasts longer than the call. */
export async function begun<T>(
  place: Place,
  id: string,
  work: () => Promise<T>,
): Promise<readonly [T, () => void]> {
  const note = join(place.layout.staging, scratchName("new", id));
  const finish = (): void => rmSync(note, { force: true });
  writeFileSync(note, "", { mode: 0o600 });
  try {
    return [await work(), finish];
  } catch (error) {
    finish();
    throw error;
  }
}

/** Names to `look` at for `checkRoom`. */
export function roomNames(place: Place): readonly string[] {
  return [place.names.pool, place.names.root];
}

const warned = new WeakSet<StorageContext>();
const warnAt = 0.85;
const refuseAt = 0.95;
/** ZFS reckons with up to 24 times what is written, so below this it lets one write at a time through, or none. */
const leastBytes = 16 * 1024 ** 2;

/** How full the pool is, 0 to 1: of what can be written to it, so room that ZFS keeps back does not count. */
function fullness(row: ZfsRow | undefined): number {
  const used = row?.usedBytes ?? 0;
  const capacity = used + (row?.availableBytes ?? 0);
  return capacity === 0 ? 0 : used / capacity;
}

/** Throws `disk-full` before a pool is so full that guests would see their writes fail; says so before that. */
export function checkRoom(place: Place, rows: ReadonlyMap<string, ZfsRow>): void {
  place.pool.checkRoom();
  const { pool, root } = place.names;
  const full = fullness(rows.get(pool));
  const available = rows.get(root)?.availableBytes ?? 0;
  if (full >= refuseAt || available < leastBytes) {
    throw poolFull(pool, `pool '${pool}' is full: ${Math.floor(full * 100)} % of it is used`);
  }
  if (full >= warnAt && !warned.has(place.context)) {
    warned.add(place.context);
    place.context.notice(`pool '${pool}' is nearly full: ${Math.floor(full * 100)} % of it is used`);
  }
}

/** Throws `disk-full` when nothing can be written any more. */
export function checkRunnable(place: Place, rows: ReadonlyMap<string, ZfsRow>): void {
  const { pool, root } = place.names;
  if ((rows.get(root)?.availableBytes ?? 0) >= leastBytes) return;
  throw poolFull(pool, `pool '${pool}' is full: a VM could write nothing`);
}

/** Makes the volume's device appear or go. Needs no staging folder: a VM can be stopped when its storage is broken. */
export async function setActive(place: Place, volume: string, active: boolean): Promise<boolean> {
  const args = active ? ["set", "volmode=dev", volume] : ["inherit", "volmode", volume];
  return (await zfs(place.names.pool, args, ["missing"])).problem === undefined;
}
