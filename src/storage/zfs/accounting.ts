import type { ZfsRow } from "../../host/zfs-list.ts";
import type { DiskUsage, StorageContent } from "../storage.ts";
import { lastPart, type Names, readSnapshotName, vmIdOfName, volumeOf } from "./names.ts";
import { isWhole } from "./place.ts";

export type Rows = ReadonlyMap<string, ZfsRow>;

const idForm = /^[0-9a-f]{8,32}$/;

/** The images among the rows, by id, as the snapshot that disks are cloned from. */
function imagesOf(names: Names, rows: Rows): ReadonlyMap<string, ZfsRow> {
  const found = new Map<string, ZfsRow>();
  for (const row of rows.values()) {
    if (!row.name.startsWith(`${names.images}/`) || !row.name.endsWith("@base")) continue;
    const id = lastPart(volumeOf(row.name));
    if (idForm.test(id)) found.set(id, row);
  }
  return found;
}

/** The disks of VMs, by id. */
function disksOf(names: Names, rows: Rows): ReadonlyMap<string, ZfsRow> {
  const found = new Map<string, ZfsRow>();
  for (const row of rows.values()) {
    const id = lastPart(row.name);
    if (row.name === `${names.vms}/${id}` && idForm.test(id) && isWhole(row)) found.set(id, row);
  }
  return found;
}

function snapshotsOf(rows: Rows): readonly ZfsRow[] {
  return [...rows.values()].filter((row) => !row.deferred && readSnapshotName(row.name) !== undefined);
}

/** See Storage.list. A VM of which only put-aside volumes are left is listed too, so that it is found and removed. */
export function contentOf(names: Names, rows: Rows): StorageContent {
  const vmIds = new Set(disksOf(names, rows).keys());
  for (const { name } of rows.values()) {
    const id = name.startsWith(`${names.history}/`) ? vmIdOfName(names, name) : undefined;
    if (id !== undefined) vmIds.add(id);
  }
  return {
    imageIds: [...imagesOf(names, rows).keys()].sort(),
    vmIds: [...vmIds].sort(),
    snapshots: snapshotsOf(rows)
      .flatMap(({ name }) => readSnapshotName(name) ?? [])
      .sort((a, b) => (`${a.vmId}-${a.snapshotId}` < `${b.vmId}-${b.snapshotId}` ? -1 : 1)),
  };
}

/** See Storage.diskUsage. */
export function usageOf(names: Names, rows: Rows): DiskUsage[] {
  const usages: DiskUsage[] = [];
  for (const [imageId, base] of imagesOf(names, rows)) {
    const head = rows.get(volumeOf(base.name));
    // Its own volume and the snapshot are the same; only clones can share blocks with it.
    const exclusiveBytes = exclusiveOf(rows, base, head?.usedByDatasetBytes ?? null);
    usages.push({
      disk: { kind: "image", imageId },
      ...sizesOf(base),
      exclusiveBytes,
      freesBytes: exclusiveBytes,
    });
  }
  for (const [vmId, row] of disksOf(names, rows)) {
    usages.push({
      disk: { kind: "vm", vmId },
      ...sizesOf(row),
      exclusiveBytes: row.writtenBytes, // since its newest snapshot, or its origin: nothing else can have those blocks
      freesBytes: freedWith(names, rows, vmId),
    });
  }
  for (const row of snapshotsOf(rows)) {
    const disk = readSnapshotName(row.name);
    if (disk === undefined) continue;
    const exclusiveBytes = exclusiveOf(rows, row, row.usedBytes);
    const freesBytes = row.clones.length === 0 ? row.usedBytes : 0; // kept until the clones are gone
    usages.push({ disk: { kind: "snapshot", ...disk }, ...sizesOf(row), exclusiveBytes, freesBytes });
  }
  return usages;
}

function sizesOf(row: ZfsRow): Pick<DiskUsage, "provisionedBytes" | "referencedBytes" | "logicalBytes"> {
  return {
    provisionedBytes: row.sizeBytes ?? 0,
    referencedBytes: row.referencedBytes,
    logicalBytes: row.logicalBytes,
  };
}

/**
 * What only this snapshot has. `ownBytes` leaves clones out of account: what those share with it ZFS tells for one clone,
 * but not for the blocks that several have, or for those that the next snapshot has as well.
 */
function exclusiveOf(rows: Rows, snapshot: ZfsRow, ownBytes: number | null): number | null {
  const { referencedBytes: referenced, clones } = snapshot;
  if (ownBytes === null || referenced === null) return null;
  if (clones.length === 0 || ownBytes === 0) return ownBytes;
  const shared = clones.map((clone) => sharedWithOrigin(rows, clone));
  if (shared.some((bytes) => bytes === referenced)) return 0;
  const [only] = shared;
  return shared.length === 1 && only !== undefined && ownBytes === referenced ? referenced - only : null;
}

/** What a clone still has of the snapshot it came from: its oldest snapshot, or without one its head, had the most. */
function sharedWithOrigin(rows: Rows, clone: string): number | undefined {
  const own = [...rows.values()].filter(({ name }) => name.startsWith(`${clone}@`));
  const [oldest = rows.get(clone)] = own.sort((a, b) => a.createTxg - b.createTxg);
  if (oldest?.referencedBytes == null || oldest.writtenBytes === null) return undefined;
  return oldest.referencedBytes - oldest.writtenBytes;
}

/** What removing a VM frees: all of its volumes, and the origins that were kept for them alone. */
function freedWith(names: Names, rows: Rows, vmId: string): number | null {
  const own = [...rows.values()].filter(({ name }) => vmIdOfName(names, name) === vmId);
  const ownNames = new Set(own.map(({ name }) => name));
  const volumes = own.filter(({ name }) => !name.includes("@"));
  const snapshots = own.filter(({ name }) => name.includes("@"));
  if (snapshots.some(({ clones }) => clones.some((clone) => !ownNames.has(clone)))) {
    // Its forks keep what they came from: only what was written since is sure to go.
    const disk = volumes.find(({ name }) => name.startsWith(`${names.vms}/`));
    return snapshots.some(({ name }) => readSnapshotName(name) !== undefined)
      ? null
      : (disk?.writtenBytes ?? null);
  }
  let bytes = 0;
  for (const { usedByDatasetBytes, usedBySnapshotsBytes, origin } of volumes) {
    if (usedByDatasetBytes === null || usedBySnapshotsBytes === null) return null;
    bytes += usedByDatasetBytes + usedBySnapshotsBytes;
    const kept = origin === undefined || ownNames.has(origin) ? undefined : rows.get(origin);
    if (kept?.deferred === true && kept.clones.every((clone) => ownNames.has(clone)))
      bytes += kept.usedBytes ?? 0;
  }
  return bytes;
}
