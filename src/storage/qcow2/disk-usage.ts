import { statSync } from "node:fs";
import { relative } from "node:path";
import { EmberError, errnoCode } from "../../errors/ember-error.ts";
import { extentFlag, readExtents } from "../../host/filefrag.ts";
import { run } from "../../host/run.ts";
import { listDisks } from "../disk-files.ts";
import { imagePath, snapshotPath, vmPath } from "../layout.ts";
import type { DiskUsage } from "../storage.ts";
import { chainOf, type Qcow2Layout } from "./layers.ts";
import { readOverlay } from "./overlay.ts";

/** A disk and the files that make it up; undefined where that cannot be told, for a file of it cannot be read. */
interface Chained {
  readonly disk: DiskUsage["disk"];
  readonly provisionedBytes: number;
  readonly files: readonly string[] | undefined;
}

/** What a file takes, and what of that no other file refers to. Null: not known. */
interface FileBytes {
  all: number | null;
  own: number | null;
}

/**
 * What each disk takes: the sum over its files. Disks share whole files, so what a disk has alone are the files that
 * only it needs, and of those what the file system does not share with files outside the storage.
 */
export async function measureDisks(layout: Qcow2Layout): Promise<DiskUsage[]> {
  const disks = await chainedDisks(layout);
  const bytesOf = await measureFiles(layout, new Set(disks.flatMap(({ files }) => files ?? [])));
  // One disk whose files are not known could need any file.
  const told = disks.every(({ files }) => files !== undefined);
  const diskUsers = usersOf(disks, (_, index) => index);
  const groupUsers = usersOf(disks, ({ disk }) => (disk.kind === "image" ? disk.imageId : disk.vmId));
  return disks.map(({ disk, provisionedBytes, files }) => {
    const own = (users: ReadonlyMap<string, number>, among = files): number | null =>
      told
        ? sum((among ?? []).filter((file) => users.get(file) === 1).map((file) => bytesOf(file).own))
        : null;
    const exclusiveBytes = own(diskUsers);
    return {
      disk,
      provisionedBytes,
      referencedBytes: files === undefined ? null : sum(files.map((file) => bytesOf(file).all)),
      exclusiveBytes,
      logicalBytes: null,
      freesBytes: disk.kind === "vm" ? own(groupUsers, filesOfVm(disks, disk.vmId)) : exclusiveBytes,
    };
  });
}

async function chainedDisks(layout: Qcow2Layout): Promise<Chained[]> {
  const { imageIds, vmIds, snapshots } = listDisks(layout);
  const disks: Chained[] = [];
  for (const imageId of imageIds) {
    const path = imagePath(layout, { imageId });
    const facts = statSync(path, { throwIfNoEntry: false });
    if (facts === undefined) continue; // gone meanwhile
    disks.push({ disk: { kind: "image", imageId }, provisionedBytes: facts.size, files: [path] });
  }
  for (const vmId of vmIds) await addOverlay(layout, { kind: "vm", vmId }, vmPath(layout, { vmId }), disks);
  for (const snapshot of snapshots)
    await addOverlay(layout, { kind: "snapshot", ...snapshot }, snapshotPath(layout, snapshot), disks);
  return disks;
}

async function addOverlay(
  layout: Qcow2Layout,
  disk: DiskUsage["disk"],
  path: string,
  disks: Chained[],
): Promise<void> {
  let provisionedBytes = 0;
  try {
    provisionedBytes = (await readOverlay(path)).sizeBytes;
    disks.push({ disk, provisionedBytes, files: await chainOf(layout, path) });
  } catch (error) {
    if (errnoCode(error) === "ENOENT" && statSync(path, { throwIfNoEntry: false }) === undefined) return;
    if (errnoCode(error) !== "ENOENT" && !(error instanceof EmberError && error.code === "io-failed"))
      throw error;
    disks.push({ disk, provisionedBytes, files: undefined });
  }
}

/** By how many keys each file is used. */
function usersOf(
  disks: readonly Chained[],
  keyOf: (disk: Chained, index: number) => string | number,
): ReadonlyMap<string, number> {
  const users = new Map<string, Set<string | number>>();
  for (const [index, disk] of disks.entries()) {
    for (const file of disk.files ?? []) {
      const keys = users.get(file) ?? new Set();
      users.set(file, keys.add(keyOf(disk, index)));
    }
  }
  return new Map([...users].map(([file, keys]) => [file, keys.size]));
}

function filesOfVm(disks: readonly Chained[], vmId: string): string[] {
  const own = disks.filter(({ disk }) => disk.kind !== "image" && disk.vmId === vmId);
  return [...new Set(own.flatMap(({ files }) => files ?? []))];
}

/** By physical extents: a file's number of blocks does not tell which of them other files share. */
async function measureFiles(
  layout: Qcow2Layout,
  paths: ReadonlySet<string>,
): Promise<(path: string) => FileBytes> {
  await run("sync", ["-f", layout.folder], { timeoutMs: 600_000 }); // what is only in memory has no place yet
  const names = [...paths].map((path) => relative(layout.folder, path));
  const files = names.map((): FileBytes => ({ all: 0, own: 0 }));
  const seen = await readExtents(layout.folder, names, (index, _physical, length, flags) => {
    const file = files[index];
    if (file === undefined || file.all === null || file.own === null) return;
    if ((flags & extentFlag.encoded) !== 0) {
      file.all = null; // how large it is compressed is not told
      file.own = null;
      return;
    }
    file.all += length;
    if ((flags & extentFlag.shared) === 0) file.own += length;
  });
  const unknown = { all: null, own: null };
  const byPath = new Map([...paths].map((path, index) => [path, seen.has(index) ? files[index] : unknown]));
  return (path) => byPath.get(path) ?? unknown;
}

function sum(parts: readonly (number | null)[]): number | null {
  return parts.reduce((total, part) => (total === null || part === null ? null : total + part), 0);
}
