import { statSync } from "node:fs";
import { relative } from "node:path";
import type { DiskExtents } from "../../host/btrfs.ts";
import { extentFlag } from "../../host/filefrag.ts";
import { listDisks } from "../disk-files.ts";
import { imagePath, type Layout, snapshotPath, vmPath } from "../layout.ts";
import type { DiskUsage } from "../storage.ts";
import { coveredBytes, Placed, whoseBytes } from "./accounting.ts";
import type { Backing } from "./backing.ts";
import type { ReflinkMeans } from "./means.ts";

/** One disk and what its file's extents add up to. */
interface Measured {
  readonly disk: DiskUsage["disk"];
  readonly provisionedBytes: number;
  readonly placed: Placed;
  logicalBytes: number;
  /** Something of it is compressed. */
  encoded: boolean;
  /** Where all of it lies on the disk is known. */
  known: boolean;
}

export interface Measurement {
  readonly disks: readonly DiskUsage[];
  /** What all disks together take. Null: not known. */
  readonly dataBytes: number | null;
}

/**
 * What each disk takes, by the physical extents of its file. A btrfs of ember's own frees and compresses whole extents,
 * which `backing` tells of; on others' file systems the kernel tells of ranges alone, and nothing of how large a
 * compressed one is.
 */
export async function measureDisks(
  means: ReflinkMeans,
  layout: Layout,
  backing: Backing | undefined,
): Promise<Measurement> {
  await means.settle(layout.folder); // what is only in memory has no place yet
  const own = await backing?.readExtents?.();
  const alone = backing !== undefined || !means.tellsShared;
  const disks = disksOf(layout);
  const seen = await means.readExtents(
    layout.folder,
    disks.map(({ name }) => name),
    (file, physical, length, flags) => {
      const measured = disks[file]?.measured;
      if (measured !== undefined) addExtent(measured, own, physical, length, flags);
    },
  );
  const measured = disks.filter((_, index) => seen.has(index)).map((disk) => disk.measured); // others went meanwhile
  const known = measured.every((disk) => disk.known);
  return {
    disks: usageOf(measured, alone, own !== undefined),
    dataBytes: known ? coveredBytes(measured.map(({ placed }) => placed)) : null,
  };
}

function disksOf(layout: Layout): { readonly name: string; readonly measured: Measured }[] {
  const { imageIds, vmIds, snapshots } = listDisks(layout);
  const files: [DiskUsage["disk"], string][] = [
    ...imageIds.map((imageId): [DiskUsage["disk"], string] => [
      { kind: "image", imageId },
      imagePath(layout, { imageId }),
    ]),
    ...vmIds.map((vmId): [DiskUsage["disk"], string] => [{ kind: "vm", vmId }, vmPath(layout, { vmId })]),
    ...snapshots.map((snapshot): [DiskUsage["disk"], string] => [
      { kind: "snapshot", ...snapshot },
      snapshotPath(layout, snapshot),
    ]),
  ];
  return files.flatMap(([disk, path]) => {
    const facts = statSync(path, { throwIfNoEntry: false });
    if (facts === undefined) return [];
    const start = { logicalBytes: 0, encoded: false, known: true };
    const measured = { disk, provisionedBytes: facts.size, placed: new Placed(), ...start };
    return [{ name: relative(layout.folder, path), measured }];
  });
}

function addExtent(
  measured: Measured,
  own: DiskExtents | undefined,
  physical: number,
  length: number,
  flags: number,
): void {
  measured.logicalBytes += length;
  if ((flags & extentFlag.nowhere) !== 0) {
    measured.placed.nowhereBytes += length;
    return;
  }
  const add = (start: number, bytes: number): void => {
    const isShared = (flags & extentFlag.shared) !== 0;
    (isShared ? measured.placed.shared : measured.placed.unshared).add(start, bytes);
  };
  const encoded = (flags & extentFlag.encoded) !== 0;
  if (encoded) measured.encoded = true;
  // A compressed one is found by where it begins: its length says nothing of what lies there.
  if (own?.within(physical, encoded ? 1 : length, add) === true) return;
  if (encoded) measured.known = false;
  else add(physical, length);
}

function usageOf(measured: readonly Measured[], alone: boolean, compresses: boolean): DiskUsage[] {
  const groups = groupsOf(measured);
  const { exclusiveBytes, groupBytes } = whoseBytes(
    groups.map((group) => group.map(({ placed }) => placed)),
    alone,
  );
  const ordered = groups.flat();
  const exclusiveOf = new Map(ordered.map((one, index) => [one, exclusiveBytes[index] ?? 0]));
  const freesOf = new Map<Measured | undefined, number | null>();
  for (const [index, group] of groups.entries()) {
    freesOf.set(group[0], group.every(({ known }) => known) ? (groupBytes[index] ?? 0) : null);
  }
  return measured.map((one) => {
    const exclusive = one.known ? (exclusiveOf.get(one) ?? 0) : null;
    return {
      disk: one.disk,
      provisionedBytes: one.provisionedBytes,
      referencedBytes: one.known ? one.placed.referencedBytes : null,
      exclusiveBytes: exclusive,
      logicalBytes: compresses || one.encoded ? one.logicalBytes : null,
      freesBytes: one.disk.kind === "vm" ? (freesOf.get(one) ?? null) : exclusive,
    };
  });
}

/** What is deleted together: a VM, which comes first, with its snapshots. The rest goes alone. */
function groupsOf(measured: readonly Measured[]): Measured[][] {
  const vms = new Map<string, Measured[]>();
  const groups: Measured[][] = [];
  for (const one of measured) {
    const group = one.disk.kind === "snapshot" ? vms.get(one.disk.vmId) : undefined;
    if (group !== undefined) {
      group.push(one);
      continue;
    }
    const alone = [one];
    groups.push(alone);
    if (one.disk.kind === "vm") vms.set(one.disk.vmId, alone);
  }
  return groups;
}
