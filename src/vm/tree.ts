import type { Installation } from "../installation.ts";
import { listImages } from "../state/images.ts";
import { listSnapshots, type SnapshotRecord } from "../state/snapshots.ts";
import { listVms, type VmRecord } from "../state/vms.ts";
import type { TreeNode } from "../types.ts";
import { statusOf } from "./status.ts";

/** Images at the root, below each the VMs made from it, below a VM its snapshots, then its forks. */
export async function vmTree(installation: Installation): Promise<readonly TreeNode[]> {
  const { db } = installation;
  const sizes = await exclusiveSizes(installation);
  const vms = listVms(db);
  const known = new Set(vms.map((vm) => vm.id));
  const snapshots = Map.groupBy(listSnapshots(db), (snapshot) => snapshot.vmId);
  const forks = Map.groupBy(
    // A fork whose source is gone hangs from the image.
    vms.filter((vm) => vm.forkedFrom !== null && known.has(vm.forkedFrom)),
    (vm) => vm.forkedFrom ?? "",
  );
  const vmNode = (vm: VmRecord): TreeNode => ({
    kind: "vm",
    name: vm.name,
    status: statusOf(vm),
    exclusiveBytes: sizes.get(vm.id) ?? null,
    children: [
      ...(snapshots.get(vm.id) ?? []).map((snapshot) => snapshotNode(snapshot, sizes)),
      ...(forks.get(vm.id) ?? []).map(vmNode),
    ],
  });
  const roots = Map.groupBy(
    vms.filter((vm) => vm.forkedFrom === null || !known.has(vm.forkedFrom)),
    (vm) => vm.imageId,
  );
  return listImages(db).map((image) => ({
    kind: "image",
    name: image.name,
    status: null,
    exclusiveBytes: sizes.get(image.id) ?? null,
    children: (roots.get(image.id) ?? []).map(vmNode),
  }));
}

function snapshotNode(snapshot: SnapshotRecord, sizes: ReadonlyMap<string, number | null>): TreeNode {
  return {
    kind: "snapshot",
    name: snapshot.name,
    status: null,
    exclusiveBytes: sizes.get(snapshot.id) ?? null,
    children: [],
  };
}

/** By id. Empty when the storage is broken: who came from whom is known all the same. */
async function exclusiveSizes(installation: Installation): Promise<Map<string, number | null>> {
  const sizes = new Map<string, number | null>();
  try {
    const storage = await installation.storage();
    for (const { disk, exclusiveBytes } of await storage.diskUsage()) {
      const id = disk.kind === "image" ? disk.imageId : disk.kind === "vm" ? disk.vmId : disk.snapshotId;
      sizes.set(id, exclusiveBytes);
    }
  } catch (error) {
    installation.verbose(
      `the storage does not tell sizes: ${error instanceof Error ? error.message : error}`,
    );
  }
  return sizes;
}
