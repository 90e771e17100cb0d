import { findDevice, parseThinStatus, sendMessage, statusOf } from "../../host/dmsetup.ts";
import { listThins, readMappings } from "../../host/thin-tools.ts";
import type { DiskUsage, VmDisk } from "../storage.ts";
import { vmDevice } from "./layout.ts";
import { checkHealth, poolStatus, type ThinPlace } from "./pool.ts";
import { type DiskRecord, readDisks, type StoredDisk } from "./records.ts";
import { FamilyShares } from "./shares.ts";
import { blockBytes, sectorBytes } from "./sizes.ts";

/**
 * Under the lock. The pool's metadata as it is now, for tools to read while the pool goes on. There can be one such
 * snapshot at a time: one that is there was left by a command that was killed.
 */
async function withMetadata<T>(place: ThinPlace, work: (device: string) => Promise<T>): Promise<T> {
  const { pool } = place.layout;
  const status = await poolStatus(place);
  checkHealth(place, status);
  if (status.holdsSnapshot) await sendMessage(pool, "release_metadata_snap");
  await sendMessage(pool, "reserve_metadata_snap");
  try {
    return await work(place.backing.metadataPath());
  } finally {
    await sendMessage(pool, "release_metadata_snap");
  }
}

/** See Storage.diskUsage. Under the lock. */
export async function diskUsage(place: ThinPlace): Promise<DiskUsage[]> {
  const disks = readDisks(place.layout);
  return withMetadata(place, async (device) => {
    const thins = await listThins(device, { exclusive: true });
    const shares = await familyShares(device, disks);
    return disks.map(({ disk, record }) => {
      const thin = thins.get(record.thinId);
      const exclusiveBytes = thin?.exclusiveBytes ?? null;
      const hasSnapshots = disk.kind === "vm" && snapshotsOf(disks, disk).length > 0;
      return {
        disk,
        provisionedBytes: record.sizeBytes,
        referencedBytes: thin?.mappedBytes ?? null,
        exclusiveBytes,
        logicalBytes: null,
        freesBytes: hasSnapshots ? shares(disk.vmId) : exclusiveBytes,
      };
    });
  });
}

function snapshotsOf(disks: readonly StoredDisk[], vm: VmDisk): StoredDisk[] {
  return disks.filter(({ disk }) => disk.kind === "snapshot" && disk.vmId === vm.vmId);
}

/** Reading every mapping is for pools where that takes seconds. */
const mostMappings = 2_000_000;

/** What becomes free with a VM and its snapshots: blocks that none but these map, though several of them may. */
async function familyShares(
  device: string,
  disks: readonly StoredDisk[],
): Promise<(vmId: string) => number | null> {
  if (!disks.some(({ disk }) => disk.kind === "snapshot")) return () => null;
  const families = new Map(
    disks.map(({ disk, record }) => [
      record.thinId,
      disk.kind === "image" ? `image ${disk.imageId}` : disk.vmId,
    ]),
  );
  const shares = new FamilyShares();
  await readMappings(device, ({ thinId, block, blocks }) => {
    shares.add(families.get(thinId) ?? `device ${thinId}`, block, blocks);
    return shares.size < mostMappings ? "go on" : "stop";
  });
  if (shares.size >= mostMappings) return () => null;
  const exclusive = shares.exclusiveBlocks();
  return (vmId) => (exclusive.get(vmId) ?? 0) * blockBytes;
}

/** See Storage.occupiedBytes. An active disk's device tells; else the pool's metadata. Under the lock. */
export async function occupiedBytes(place: ThinPlace, vm: VmDisk, record: DiskRecord): Promise<number> {
  const name = vmDevice(place.layout, vm);
  if (findDevice(name) !== undefined) {
    const mapped = parseThinStatus(await statusOf(name));
    if (mapped !== null) return mapped.mapped * sectorBytes;
  }
  return withMetadata(place, async (device) => {
    const thins = await listThins(device, { exclusive: false });
    return thins.get(record.thinId)?.mappedBytes ?? 0;
  });
}
