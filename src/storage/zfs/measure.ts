import { zpool } from "../../host/zfs.ts";
import type { StorageUsage } from "../storage.ts";
import { freeBytes } from "../usage.ts";
import { look, type Place, roomNames } from "./place.ts";

/**
 * See Storage.usage. A pool of ember's own has one device, so what ZFS keeps back is what is missing between the pool's
 * size and what can be written; with parity, as somebody's pool may have, the two cannot be compared.
 */
export async function measure(place: Place): Promise<StorageUsage> {
  const { pool, root } = place.names;
  await zpool(pool, ["sync", pool], ["read-only"]);
  const rows = await look(place, roomNames(place));
  const used = rows.get(pool)?.usedBytes ?? 0;
  const writable = used + (rows.get(pool)?.availableBytes ?? 0);
  const available = rows.get(root)?.availableBytes ?? 0;
  const capacityBytes = place.pool.owned ? Math.max(await poolBytes(pool), writable) : writable;
  const below = place.pool.hostFolder === undefined ? available : await freeBytes(place.pool.hostFolder);
  return {
    capacityBytes,
    usedBytes: capacityBytes - (writable - used),
    freeBytes: Math.min(available, below),
    reservedBytes: place.pool.owned ? capacityBytes - writable : null,
  };
}

async function poolBytes(pool: string): Promise<number> {
  return Number((await zpool(pool, ["list", "-H", "-p", "-o", "size", pool])).stdout.trim());
}
