import { type Installation, newId } from "../installation.ts";
import { getSnapshot, type SnapshotRecord } from "../state/snapshots.ts";
import { getVm, type VmRecord } from "../state/vms.ts";
import type { FileChange, TaskOptions } from "../types.ts";
import { statusOf } from "../vm/status.ts";
import { diffDisks } from "./diff/diff.ts";
import { diffOperation } from "./operations/diff.ts";
import { hiddenName } from "./operations/restore.ts";

/** Which files differ between two snapshots, or between a snapshot and what the disk is now. */
export async function diffSnapshots(
  installation: Installation,
  vmName: string,
  from: string,
  to?: string,
  options: TaskOptions = {},
): Promise<readonly FileChange[]> {
  return await installation.holding(
    [`vm:${vmName}`],
    `ember snapshot diff ${vmName}`,
    async () => {
      const vm = getVm(installation.db, vmName);
      const before = getSnapshot(installation.db, vm, from);
      if (to === undefined) return await compareWithNow(installation, vm, before, options);
      return await compare(installation, before, getSnapshot(installation.db, vm, to), options);
    },
    { signal: options.signal },
  );
}

async function compareWithNow(
  installation: Installation,
  vm: VmRecord,
  before: SnapshotRecord,
  options: TaskOptions,
): Promise<readonly FileChange[]> {
  const id = newId();
  const now: SnapshotRecord = {
    id,
    vmId: vm.id,
    name: hiddenName(id),
    visible: false,
    diskBytes: vm.diskBytes,
    vmStatus: statusOf(vm),
    createdAt: new Date().toISOString(),
  };
  let changes: readonly FileChange[] = [];
  const operation = diffOperation({
    now,
    compare: async () => {
      changes = await compare(installation, before, now, options);
    },
  });
  const data = { vmId: vm.id, vmName: vm.name, snapshotId: id };
  await installation.journal.execute(operation, [`vm:${vm.name}`], installation, data, options.signal);
  return changes;
}

async function compare(
  installation: Installation,
  before: SnapshotRecord,
  after: SnapshotRecord,
  options: TaskOptions,
): Promise<readonly FileChange[]> {
  const storage = await installation.storage();
  await using first = await storage.readSnapshot({ vmId: before.vmId, snapshotId: before.id });
  await using second = await storage.readSnapshot({ vmId: after.vmId, snapshotId: after.id });
  options.onProgress?.({ step: "comparing the disks" });
  return await diffDisks(first, second, options.signal);
}
