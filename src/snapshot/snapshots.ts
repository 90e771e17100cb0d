import type { SnapshotApi } from "../api.ts";
import { type Installation, newId } from "../installation.ts";
import { getSnapshot, listSnapshots, refuseTakenSnapshot, type SnapshotRecord } from "../state/snapshots.ts";
import { getVm, listVms, type VmRecord } from "../state/vms.ts";
import type { SnapshotSummary, TaskOptions } from "../types.ts";
import { requireHalted, statusOf } from "../vm/status.ts";
import { checkSnapshotName, nameFromTime } from "./names.ts";
import { createOperation } from "./operations/create.ts";
import { deleteOperation } from "./operations/delete.ts";
import { hiddenName, restoreOperation } from "./operations/restore.ts";

export function createSnapshotApi(installation: Installation): SnapshotApi {
  return {
    create: (vm, name, options) => createSnapshot(installation, vm, name, options),
    list: async (vm) => listSummaries(installation, vm),
    restore: (vm, name, options) => restoreSnapshot(installation, vm, name, options),
    delete: (vm, name, options) => deleteSnapshot(installation, vm, name, options),
    diff: async (...args) => (await import("./diff.ts")).diffSnapshots(installation, ...args),
  };
}

async function createSnapshot(
  installation: Installation,
  vmName: string,
  wanted: string | undefined,
  options: TaskOptions = {},
): Promise<SnapshotSummary> {
  const name = wanted === undefined ? nameFromTime(new Date()) : checkSnapshotName(wanted);
  refuseTakenSnapshot(installation.db, getVm(installation.db, vmName).id, name, vmName);
  return await changing(installation, vmName, "create", options, async (vm) => {
    const snapshot = recordOf(vm, name);
    const data = { vmId: vm.id, vmName, snapshotId: snapshot.id, name };
    options.onProgress?.({ step: "taking the snapshot" });
    await execute(installation, createOperation(snapshot), vmName, data, options);
    return toSummary(snapshot, vmName);
  });
}

async function restoreSnapshot(
  installation: Installation,
  vmName: string,
  name: string,
  options: TaskOptions = {},
): Promise<void> {
  getSnapshot(installation.db, getVm(installation.db, vmName), name);
  await changing(installation, vmName, "restore", options, async (vm) => {
    const snapshot = getSnapshot(installation.db, vm, name);
    requireHalted(vm, "restoring its disk");
    const id = newId();
    const backup: SnapshotRecord = { ...recordOf(vm, hiddenName(id)), id };
    const data = { vmId: vm.id, vmName, snapshotId: snapshot.id, name, backupId: id };
    options.onProgress?.({ step: "restoring the disk" });
    await execute(installation, restoreOperation(backup), vmName, data, options);
    // The earlier `before-restore` was left to be removed.
    await installation.journal.recover([`vm:${vmName}`], installation);
  });
}

async function deleteSnapshot(
  installation: Installation,
  vmName: string,
  name: string,
  options: TaskOptions = {},
): Promise<void> {
  getSnapshot(installation.db, getVm(installation.db, vmName), name);
  await changing(installation, vmName, "delete", options, async (vm) => {
    const snapshot = getSnapshot(installation.db, vm, name);
    const data = { vmId: vm.id, vmName, snapshotId: snapshot.id, name };
    await execute(installation, deleteOperation, vmName, data, options);
  });
}

function listSummaries(installation: Installation, vmName: string | undefined): SnapshotSummary[] {
  const { db } = installation;
  const vms = vmName === undefined ? listVms(db) : [getVm(db, vmName)];
  const names = new Map(vms.map((vm) => [vm.id, vm.name]));
  const [only] = vms;
  return listSnapshots(db, vmName === undefined ? undefined : only?.id).flatMap((snapshot) => {
    const name = names.get(snapshot.vmId);
    return name === undefined ? [] : [toSummary(snapshot, name)];
  });
}

/** Runs `body` on the VM as it is now, while this process alone may change it. */
async function changing<T>(
  installation: Installation,
  vmName: string,
  verb: string,
  options: TaskOptions,
  body: (vm: VmRecord) => Promise<T>,
): Promise<T> {
  return await installation.holding(
    [`vm:${vmName}`],
    `ember snapshot ${verb} ${vmName}`,
    () => body(getVm(installation.db, vmName)),
    { signal: options.signal },
  );
}

async function execute(
  installation: Installation,
  operation: Parameters<Installation["journal"]["execute"]>[0],
  vmName: string,
  data: Readonly<Record<string, string>>,
  options: TaskOptions,
): Promise<void> {
  await installation.journal.execute(operation, [`vm:${vmName}`], installation, data, options.signal);
}

function recordOf(vm: VmRecord, name: string): SnapshotRecord {
  return {
    id: newId(),
    vmId: vm.id,
    name,
    visible: false,
    diskBytes: vm.diskBytes,
    vmStatus: statusOf(vm),
    createdAt: new Date().toISOString(),
  };
}

function toSummary(snapshot: SnapshotRecord, vm: string): SnapshotSummary {
  const { id, name, diskBytes, vmStatus, createdAt } = snapshot;
  return { id, vm, name, diskBytes, vmStatus, createdAt };
}
