import type { Installation } from "../installation.ts";
import { findImageById } from "../state/images.ts";
import { findSnapshot } from "../state/snapshots.ts";
import { findVm } from "../state/vms.ts";
import type { DiskUsage } from "../storage/storage.ts";
import type { CountedBytes, DiskUsageRow, StorageEfficiency, StorageReport } from "../types.ts";

/** What every image, VM and snapshot takes, and what the storage has left. */
export async function storageReport(installation: Installation): Promise<StorageReport> {
  const storage = await installation.storage();
  const [disks, { capacityBytes, usedBytes, freeBytes, reservedBytes }] = [
    await storage.diskUsage(),
    await storage.usage(),
  ];
  return {
    storage: storage.name,
    path: installation.storageConfig.folder,
    pool: { capacityBytes, usedBytes, freeBytes, reservedBytes },
    disks: disks
      .map((usage) => toRow(installation, usage))
      .sort((a, b) => rank(a) - rank(b) || compare(a.name, b.name)),
  };
}

/** Images first; snapshots stay below their VM, for their names begin with it. */
function rank(row: DiskUsageRow): number {
  return row.kind === "image" ? 0 : 1;
}

/** "web" < "web/one" < "web-2": "/" sorts before anything that a name may hold. */
function compare(a: string, b: string): number {
  const [left, right] = [a.replace("/", "\0"), b.replace("/", "\0")];
  return left < right ? -1 : left > right ? 1 : 0;
}

function toRow(installation: Installation, usage: DiskUsage): DiskUsageRow {
  const { referencedBytes, exclusiveBytes, logicalBytes } = usage;
  return {
    kind: usage.disk.kind,
    name: nameOf(installation, usage.disk),
    provisionedBytes: usage.provisionedBytes,
    referencedBytes,
    exclusiveBytes,
    sharedBytes: difference(referencedBytes, exclusiveBytes),
    logicalBytes,
    compressionRatio: ratio(logicalBytes, referencedBytes),
    freesBytes: usage.freesBytes,
  };
}

/** A disk that no record knows is a leftover of a killed command; it shows with its id. */
function nameOf(installation: Installation, disk: DiskUsage["disk"]): string {
  const { db } = installation;
  if (disk.kind === "image") return findImageById(db, disk.imageId)?.name ?? disk.imageId;
  const vm = findVm(db, disk.vmId)?.name ?? disk.vmId;
  if (disk.kind === "vm") return vm;
  return `${vm}/${findSnapshot(db, disk.snapshotId)?.name ?? disk.snapshotId}`;
}

function difference(whole: number | null, part: number | null): number | null {
  return whole === null || part === null ? null : Math.max(0, whole - part);
}

function ratio(above: number | null, below: number | null): number | null {
  return above === null || below === null || below === 0 ? null : above / below;
}

/** What copy-on-write saves: everything as if nothing were shared, beside what it really takes. */
export async function storageEfficiency(installation: Installation): Promise<StorageEfficiency> {
  const { disks, pool } = await storageReport(installation);
  const logicalBytes = sum(disks.map(apparent));
  const actualBytes = pool.reservedBytes === null ? null : pool.usedBytes - pool.reservedBytes;
  const counted = (kind: DiskUsageRow["kind"]): CountedBytes => {
    const rows = disks.filter((row) => row.kind === kind);
    return { count: rows.length, logicalBytes: sum(rows.map(apparent)) };
  };
  return {
    images: counted("image"),
    vms: counted("vm"),
    snapshots: counted("snapshot"),
    logicalBytes,
    actualBytes,
    ratio: ratio(logicalBytes, actualBytes),
  };
}

/** What the disk's content would take by itself, uncompressed. */
function apparent(row: DiskUsageRow): number | null {
  return row.logicalBytes ?? row.referencedBytes;
}

/** Null as soon as one is not known. */
function sum(amounts: readonly (number | null)[]): number | null {
  let total = 0;
  for (const amount of amounts) {
    if (amount === null) return null;
    total += amount;
  }
  return total;
}
