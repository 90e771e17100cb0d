import { EmberError } from "../../errors/ember-error.ts";

/** What the pool maps and gives out at once: 64 KiB, so that clones share finely and metadata stays small. */
export const blockBytes: number = 64 * 1024;
export const sectorBytes = 512;
export const blockSectors: number = blockBytes / sectorBytes;

const mib = 1024 ** 2;
const gib = 1024 ** 3;
/** A pool with less would be full as soon as it is used. */
export const leastPoolBytes: number = 16 * mib;

/** Metadata for a pool of that size: what the kernel's documentation asks for, between its bounds, in whole blocks. */
export function metadataBytes(poolBytes: number): number {
  const wanted = Math.ceil((48 * poolBytes) / blockBytes / blockBytes) * blockBytes;
  return Math.min(Math.max(wanted, 2 * mib), 16 * gib - blockBytes); // the kernel uses just less than 16 GiB
}

/** How a pool of that size is split: `metadataBytes` at least `leastMetadataBytes`, the rest data in whole blocks. */
export function splitPool(
  poolBytes: number,
  leastMetadataBytes = 0,
): { readonly metadataBytes: number; readonly dataBytes: number } {
  if (!Number.isSafeInteger(poolBytes) || poolBytes < leastPoolBytes) {
    throw new EmberError("invalid-size", `a storage cannot have ${poolBytes} bytes`, {
      hint: `ask for at least ${leastPoolBytes} bytes (16M)`,
    });
  }
  const metadata = Math.max(metadataBytes(poolBytes), leastMetadataBytes);
  const dataBytes = Math.floor((poolBytes - metadata) / blockBytes) * blockBytes;
  return { metadataBytes: metadata, dataBytes };
}

// Tables of the kernel's targets. Devices are given as paths without spaces, or as major:minor.

/** New blocks are zeroed (no `skip_block_zeroing`), so that no VM ever reads what another one wrote before. */
export function poolTable(metadata: string, data: string, dataBytes: number): string {
  const blocks = Math.floor(dataBytes / blockBytes);
  const lowWaterBlocks = Math.ceil(blocks / 20); // only raises an event
  return `0 ${blocks * blockSectors} thin-pool ${metadata} ${data} ${blockSectors} ${lowWaterBlocks} 1 error_if_no_space`;
}

export function thinTable(pool: string, thinId: number, sizeBytes: number): string {
  return `0 ${sizeBytes / sectorBytes} thin ${pool} ${thinId}`;
}

export function linearTable(device: string, startBytes: number, sizeBytes: number): string {
  return `0 ${sizeBytes / sectorBytes} linear ${device} ${startBytes / sectorBytes}`;
}
