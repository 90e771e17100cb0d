import { EmberError } from "../errors/ember-error.ts";
import { hostArchitecture } from "../guest/binary/architecture.ts";
import { pushDisk, targetOf } from "../image/artifact/push.ts";
import { emptyConfig } from "../image/oci/config.ts";
import { type Installation, newId } from "../installation.ts";
import { findImageById } from "../state/images.ts";
import { getVm, type VmRecord } from "../state/vms.ts";
import type { PushOptions, PushReport, TaskOptions } from "../types.ts";
import { statusOf } from "../vm/status.ts";
import { diffOperation } from "./operations/diff.ts";
import { hiddenName } from "./operations/restore.ts";

/** See VmApi.push. What is sent is a snapshot that nobody sees, and that is gone in the end. */
export async function pushVm(
  installation: Installation,
  vmName: string,
  options: PushOptions & TaskOptions,
): Promise<PushReport> {
  targetOf(options.reference);
  return await installation.holding(
    [`vm:${vmName}`],
    `ember vm push ${vmName}`,
    () => push(installation, getVm(installation.db, vmName), options),
    { signal: options.signal },
  );
}

async function push(
  installation: Installation,
  vm: VmRecord,
  options: PushOptions & TaskOptions,
): Promise<PushReport> {
  const id = newId();
  const { db } = installation;
  const image = vm.imageId === null ? undefined : findImageById(db, vm.imageId);
  const now = {
    id,
    vmId: vm.id,
    name: hiddenName(id),
    visible: false,
    diskBytes: vm.diskBytes,
    vmStatus: statusOf(vm),
    createdAt: new Date().toISOString(),
  };
  let report: PushReport | undefined;
  const send = async (): Promise<void> => {
    const storage = await installation.storage();
    await using disk = await storage.readSnapshot({ vmId: vm.id, snapshotId: id });
    const facts = {
      architecture: image?.architecture ?? hostArchitecture(),
      config: image?.config ?? emptyConfig,
      base: image === undefined ? null : { name: image.name, digest: image.digest },
    };
    report = await pushDisk(installation, disk, facts, options, id);
  };
  const data = { vmId: vm.id, vmName: vm.name, snapshotId: id };
  const operation = diffOperation({ now, compare: send });
  await installation.journal.execute(operation, [`vm:${vm.name}`], installation, data, options.signal);
  if (report === undefined) throw new EmberError("internal", "nothing was pushed");
  return report;
}
