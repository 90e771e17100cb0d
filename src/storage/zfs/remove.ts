import { EmberError } from "../../errors/ember-error.ts";
import type { ZfsRow } from "../../host/zfs-list.ts";
import { checkedId } from "../layout.ts";
import type { VmDisk } from "../storage.ts";
import { isOpen } from "./device.ts";
import { detachedProperty, readSnapshotName, vmIdOfName, vmName, volumeOf } from "./names.ts";
import { change, changeWhenQuiet, isDetached, look, lookAtAll, type Place, underway } from "./place.ts";

/** A VM's volumes - its disk, and what restores put aside - and the snapshots on them. */
export interface Group {
  readonly volumes: readonly ZfsRow[];
  readonly snapshots: readonly ZfsRow[];
}

export async function groupOf(place: Place, vm: VmDisk): Promise<Group> {
  const { names } = place;
  const rows = [...(await look(place, [vmName(names, vm), names.history], { recursive: true })).values()];
  const own = rows.filter(({ name }) => vmIdOfName(names, name) === vm.vmId);
  return {
    volumes: own.filter(({ name }) => !name.includes("@")),
    snapshots: own.filter(({ name }) => name.includes("@")),
  };
}

interface Dependant {
  readonly clone: string;
  readonly snapshot: ZfsRow;
}

/** What was cloned from the VM's snapshots and is not the VM's own. */
function dependantsOf(place: Place, vm: VmDisk, group: Group): readonly Dependant[] {
  return group.snapshots.flatMap((snapshot) =>
    snapshot.clones
      .filter((clone) => vmIdOfName(place.names, clone) !== vm.vmId)
      .map((clone) => ({ clone, snapshot })),
  );
}

function checkNotRead(place: Place, dependants: readonly Dependant[]): void {
  if (!dependants.some(({ clone }) => clone.startsWith(`${place.names.scratch}/`))) return;
  throw new EmberError("busy", "a snapshot of the VM is being read", {
    hint: "try again when that has ended",
  });
}

function forksAmong(place: Place, dependants: readonly Dependant[]): readonly string[] {
  return [...new Set(dependants.flatMap(({ clone }) => vmIdOfName(place.names, clone) ?? []))].sort();
}

/** See DependentForks.list. */
export async function listForks(place: Place, vm: VmDisk): Promise<readonly string[]> {
  return forksAmong(place, dependantsOf(place, vm, await groupOf(place, vm)));
}

/** See Storage.removeVm. Each step can be done again, so what a killed command left is removed by the next call. */
export async function removeVm(place: Place, vm: VmDisk): Promise<void> {
  const name = vmName(place.names, vm);
  const group = await groupOf(place, vm);
  if (group.volumes.length === 0) return;
  const dependants = dependantsOf(place, vm, group);
  checkNotRead(place, dependants);
  if (dependants.length > 0) {
    // Somebody else's clones too, which have no VM.
    const names = dependants.map(({ clone }) => vmIdOfName(place.names, clone) ?? clone);
    const list = [...new Set(names)].sort().join(", ");
    throw new EmberError("has-dependants", `VM '${vm.vmId}' has forks that need it: ${list}`, {
      hint: "delete them first",
    });
  }
  // ZFS notices only when the snapshots are gone already.
  if (group.snapshots.length > 0 && isOpen(name)) {
    throw new EmberError("busy", `the disk of VM '${vm.vmId}' is open`, {
      hint: "stop what has it open first",
    });
  }
  await underway(place, vm.vmId, () => destroyGroup(place, vm, group));
}

async function destroyGroup(place: Place, vm: VmDisk, group: Group): Promise<void> {
  if (group.volumes.some(isDetached)) await removeStraySnapshots(place, vm);
  for (const volume of leavesFirst(group)) {
    await changeWhenQuiet(place, ["destroy", "-r", volume.name], ["missing"]);
  }
  for (const { origin } of group.volumes) {
    if (origin !== undefined) await dropIfEmpty(place, volumeOf(origin));
  }
}

/** Those of the VM's snapshots that promotions moved to the volumes of its forks. */
async function removeStraySnapshots(place: Place, vm: VmDisk): Promise<void> {
  for (const { name } of (await lookAtAll(place)).values()) {
    if (readSnapshotName(name)?.vmId !== vm.vmId || vmIdOfName(place.names, name) === vm.vmId) continue;
    await changeWhenQuiet(place, ["destroy", "-d", name], ["missing"]);
  }
}

/** A volume comes after all that were cloned from its snapshots. */
export function leavesFirst({ volumes }: Group): readonly ZfsRow[] {
  const left = new Map(volumes.map((volume) => [volume.name, volume]));
  const ordered: ZfsRow[] = [];
  while (left.size > 0) {
    const sources = new Set([...left.values()].map(({ origin }) => volumeOf(origin ?? "")));
    const leaves = [...left.values()].filter(({ name }) => !sources.has(name));
    if (leaves.length === 0) throw new EmberError("internal", "volumes are clones of each other");
    for (const leaf of leaves) left.delete(leaf.name);
    ordered.push(...leaves);
  }
  return ordered;
}

/** Destroys a put-aside volume that holds no snapshot any more. Does nothing for others. */
export async function dropIfEmpty(place: Place, volume: string): Promise<void> {
  if (!volume.startsWith(`${place.names.history}/`)) return;
  const rows = await look(place, [volume], { recursive: true });
  if (rows.size !== 1) return;
  const { problem } = await changeWhenQuiet(place, ["destroy", volume], ["missing", "dependants"]);
  const origin = rows.get(volume)?.origin;
  if (problem === undefined && origin !== undefined) await dropIfEmpty(place, volumeOf(origin));
}

/**
 * See DependentForks.detach. A promotion hands a fork its origin and all snapshots before that: so the fork of the newest
 * snapshot takes everything that any fork needs.
 */
export async function detachForks(place: Place, vm: VmDisk): Promise<void> {
  checkedId(vm.vmId);
  for (;;) {
    const group = await groupOf(place, vm);
    const dependants = dependantsOf(place, vm, group);
    checkNotRead(place, dependants);
    const [newest] = [...dependants].sort((a, b) => b.snapshot.createTxg - a.snapshot.createTxg);
    if (newest === undefined) return;
    for (const volume of group.volumes.filter((row) => !isDetached(row))) {
      await change(place, ["set", `${detachedProperty}=yes`, volume.name], ["missing"]);
    }
    await change(place, ["promote", newest.clone], ["missing"]);
  }
}
