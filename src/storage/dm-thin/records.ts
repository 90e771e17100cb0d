import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { EmberError, errnoCode } from "../../errors/ember-error.ts";
import { syncFolder } from "../../host/files.ts";
import { publish, syncFile } from "../publish.ts";
import { type ScratchKind, scratchName } from "../scratch.ts";
import { type DiskName, recordPath, type ThinLayout } from "./layout.ts";

/**
 * One small file for each disk says which thin device it is and how large: the pool knows the blocks that are mapped,
 * not the size. It is the commit point of everything: a disk is there when its record is, and renaming another record
 * over it makes the disk another one. Thin devices that no record names are what a killed command left (sweep.ts).
 */
export interface DiskRecord {
  readonly thinId: number;
  readonly sizeBytes: number;
}

/** The record of a disk, undefined when there is no such disk. Throws `io-failed` when it cannot be understood. */
export function readRecord(path: string): DiskRecord | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
  const record = parseRecord(text);
  if (record !== undefined) return record;
  throw new EmberError("io-failed", `'${path}' is not the record of a disk`, {
    hint: "restore it from a backup: it holds the number of the disk's thin device and its size",
  });
}

export function parseRecord(text: string): DiskRecord | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return undefined;
    const { thinId, sizeBytes }: { thinId?: unknown; sizeBytes?: unknown } = value;
    if (typeof thinId !== "number" || typeof sizeBytes !== "number") return undefined;
    return Number.isSafeInteger(thinId) && Number.isSafeInteger(sizeBytes)
      ? { thinId, sizeBytes }
      : undefined;
  } catch {
    return undefined; // no JSON
  }
}

/**
 * A scratch file in the staging folder, which tells of work that has begun: its name is the key of the thin device's
 * number in the making, and once its owner is dead, the next command undoes what is left.
 */
export function beginScratch(layout: ThinLayout, kind: ScratchKind, id: string): string {
  const scratch = join(layout.staging, scratchName(kind, id));
  writeFileSync(scratch, "", { flag: "wx", mode: 0o600 });
  return scratch;
}

async function fillScratch(scratch: string, record: DiskRecord): Promise<void> {
  writeFileSync(scratch, `${JSON.stringify(record)}\n`);
  await syncFile(scratch);
}

/** Makes a disk be there. The scratch file becomes its record; false when there was one already. */
export async function publishRecord(scratch: string, path: string, record: DiskRecord): Promise<boolean> {
  await fillScratch(scratch, record);
  return publish(scratch, path);
}

/** Puts another record in place of a disk's, in one step. The scratch file is gone afterwards. */
export async function replaceRecord(scratch: string, path: string, record: DiskRecord): Promise<void> {
  await fillScratch(scratch, record);
  await rename(scratch, path);
  syncFolder(dirname(path));
}

export function removeScratch(scratch: string): void {
  rmSync(scratch, { force: true });
}

export interface StoredDisk {
  readonly disk: DiskName;
  readonly record: DiskRecord;
}

const fileForm = /^([0-9a-f]{8,32})(?:-([0-9a-f]{8,32}))?\.json$/;

/** Names of all disks; other files in the folders are not the storage's. */
export function listDisks(layout: ThinLayout): DiskName[] {
  return [
    ...named(layout.images, (id, rest) => (rest === undefined ? { kind: "image", imageId: id } : undefined)),
    ...named(layout.vms, (id, rest) => (rest === undefined ? { kind: "vm", vmId: id } : undefined)),
    ...snapshotsIn(layout),
  ];
}

type SnapshotName = Extract<DiskName, { kind: "snapshot" }>;

/** The snapshots, of one VM if asked. */
export function snapshotsIn(layout: ThinLayout, vmId?: string): SnapshotName[] {
  const all = named<SnapshotName>(layout.snapshots, (id, snapshotId) =>
    snapshotId === undefined ? undefined : { kind: "snapshot", vmId: id, snapshotId },
  );
  return vmId === undefined ? all : all.filter((snapshot) => snapshot.vmId === vmId);
}

function named<Name extends DiskName>(
  folder: string,
  nameOf: (id: string, rest: string | undefined) => Name | undefined,
): Name[] {
  return readdirSync(folder)
    .sort()
    .map((file) => fileForm.exec(basename(file)))
    .map((parts) => (parts?.[1] === undefined ? undefined : nameOf(parts[1], parts[2])))
    .filter((name) => name !== undefined);
}

/** All disks with their records; one that another command removes meanwhile is left out. */
export function readDisks(layout: ThinLayout): StoredDisk[] {
  const found: StoredDisk[] = [];
  for (const disk of listDisks(layout)) {
    const record = readRecord(recordPath(layout, disk));
    if (record !== undefined) found.push({ disk, record });
  }
  return found;
}

/** Whether the storage holds any disk, or cannot be known not to. */
export function holdsDisks(layout: ThinLayout): boolean {
  return [layout.images, layout.vms, layout.snapshots].every(existsSync) && listDisks(layout).length > 0;
}
