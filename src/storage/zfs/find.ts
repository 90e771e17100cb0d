import { EmberError } from "../../errors/ember-error.ts";
import type { ZfsRow } from "../../host/zfs-list.ts";
import type { SnapshotDisk } from "../storage.ts";
import { snapshotLabel, vmName } from "./names.ts";
import { look, type Place } from "./place.ts";

export function snapshotGone(snapshot: SnapshotDisk): EmberError {
  return new EmberError(
    "snapshot-not-found",
    `VM '${snapshot.vmId}' has no snapshot '${snapshot.snapshotId}'`,
  );
}

/**
 * Where a VM's snapshot is: on its volume, else on one that a restore put aside or a promotion moved it to. One that waits
 * for its last clone to go counts as gone. `rows` has the other names asked for. Throws `snapshot-not-found`.
 */
export async function findSnapshot(
  place: Place,
  snapshot: SnapshotDisk,
  others: readonly string[] = [],
): Promise<{ readonly row: ZfsRow; readonly rows: ReadonlyMap<string, ZfsRow> }> {
  const label = `@${snapshotLabel(snapshot)}`;
  const usual = `${vmName(place.names, snapshot)}${label}`;
  const rows = await look(place, [...others, usual]);
  const row = rows.get(usual) ?? (await searchAll(place, label));
  if (row === undefined || row.deferred) throw snapshotGone(snapshot);
  return { row, rows };
}

async function searchAll(place: Place, label: string): Promise<ZfsRow | undefined> {
  const { history, vms } = place.names;
  const rows = await look(place, [history, vms], { recursive: true, types: "snapshot" });
  return [...rows.values()].find(({ name }) => name.endsWith(label));
}
