import { existsSync } from "node:fs";
import { link, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { isLocked } from "../../host/file-locks.ts";
import { syncFolder } from "../../host/files.ts";
import { existingSnapshot, statIfThere } from "../disk-files.ts";
import { checkSize, snapshotPath } from "../layout.ts";
import { scratchName } from "../scratch.ts";
import type { ReadableDisk, SnapshotDisk } from "../storage.ts";
import { forkOverlay, makeOverlay, type NewDisk, openElsewhere } from "./fork.ts";
import { type Base, chainOf, dropped, type Qcow2Layout, readBase } from "./layers.ts";
import { readOverlay, writeOverlay } from "./overlay.ts";

// A snapshot is what a fork is, an empty overlay over a layer, but for that nobody ever writes to it. What it holds
// is its base, so restoring and cloning put a new overlay over the same base.

/** See Storage.snapshot. `vm` is the path of its disk. */
export async function takeSnapshot(layout: Qcow2Layout, snapshot: SnapshotDisk, vm: string): Promise<void> {
  const path = snapshotPath(layout, snapshot);
  if (statIfThere(path) !== undefined) return; // keeps what it holds, whatever became of the disk
  const { sizeBytes } = await readOverlay(vm);
  await forkOverlay(layout, vm, { path, id: snapshot.snapshotId, sizeBytes, readOnly: true });
}

/** `disk` as a clone of what the snapshot holds. The caller keeps others from removing the snapshot. */
export async function cloneSnapshot(
  layout: Qcow2Layout,
  snapshot: SnapshotDisk,
  disk: NewDisk,
): Promise<void> {
  const { sizeBytes, base } = await held(layout, snapshot);
  checkSize(disk.sizeBytes, sizeBytes);
  if (!(await makeOverlay(layout, disk, base))) throw removedMeanwhile(snapshot);
}

/**
 * Puts an empty overlay over what the snapshot holds in the place of the disk at `vm`. The old disk has a scratch
 * name before it loses its own, so that the layers which only it needed are found when this is killed.
 */
export async function restoreSnapshot(
  layout: Qcow2Layout,
  snapshot: SnapshotDisk,
  vm: string,
): Promise<void> {
  const { sizeBytes, base } = await held(layout, snapshot);
  if (isLocked(vm)) throw openElsewhere(vm);
  const successor = join(layout.staging, scratchName("new", snapshot.vmId));
  const old = join(layout.staging, scratchName("drop", snapshot.vmId));
  try {
    await writeOverlay(successor, sizeBytes, base.backing);
    if (!existsSync(base.path)) throw removedMeanwhile(snapshot);
    await link(vm, old);
    await rename(successor, vm);
    syncFolder(layout.vms);
  } finally {
    await rm(successor, { force: true });
    await dropped(layout, [old]);
  }
}

/** Post-condition: the snapshot's whole chain is the storage's own. */
export async function readableSnapshot(layout: Qcow2Layout, snapshot: SnapshotDisk): Promise<ReadableDisk> {
  const path = existingSnapshot(layout, snapshot);
  const { sizeBytes } = await readOverlay(path);
  await chainOf(layout, path);
  return { path, format: "qcow2", sizeBytes, [Symbol.asyncDispose]: async () => undefined }; // nothing is held open
}

/** Idempotent. A snapshot is renamed first: until the layers are done, its scratch file tells of them. */
export async function removeSnapshots(
  layout: Qcow2Layout,
  snapshots: readonly SnapshotDisk[],
): Promise<void> {
  const scratches: string[] = [];
  for (const snapshot of snapshots) {
    const path = snapshotPath(layout, snapshot);
    if (statIfThere(path) === undefined) continue;
    const scratch = join(layout.staging, scratchName("drop", snapshot.snapshotId));
    await rename(path, scratch);
    scratches.push(scratch);
  }
  if (scratches.length === 0) return;
  syncFolder(layout.snapshots);
  await dropped(layout, scratches);
}

async function held(
  layout: Qcow2Layout,
  snapshot: SnapshotDisk,
): Promise<{ readonly sizeBytes: number; readonly base: Base }> {
  const path = existingSnapshot(layout, snapshot);
  const { sizeBytes, backingName } = await readOverlay(path);
  return { sizeBytes, base: readBase(layout, path, backingName) };
}

function removedMeanwhile({ snapshotId }: SnapshotDisk): EmberError {
  return new EmberError("snapshot-not-found", `snapshot '${snapshotId}' was removed meanwhile`);
}
