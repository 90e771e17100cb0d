import type { BlockReader } from "../disk/block-reader.ts";
import { checkPartitions, invalidTable, mostPartitions, type Partition } from "./partition.ts";

// The partition table of the PC's BIOS: four entries in the first sector, one of which may be a chain of more.

const sectorBytes = 512;
const tableAt = 446;
const entryBytes = 16;
const extendedTypes: readonly number[] = [0x05, 0x0f, 0x85];
export const protectiveType = 0xee;
/** Numbers of those in the chain, whatever the first four are. */
const firstLogical = 5;

interface Entry {
  readonly status: number;
  readonly type: number;
  readonly first: number;
  readonly sectors: number;
}

/** The first sector's four entries; undefined when it holds no table, but a boot sector or anything else. */
export async function readMbr(disk: BlockReader): Promise<readonly Entry[] | undefined> {
  if (disk.sizeBytes < sectorBytes) return undefined;
  const entries = parseEntries(await disk.read(0, sectorBytes));
  const used = entries?.filter(({ type }) => type !== 0) ?? [];
  // Boot sectors of file systems have the same mark at their end, and code or text where the entries would be.
  const isTable = used.length > 0 && used.every(({ status }) => status === 0 || status === 0x80);
  return isTable ? entries : undefined;
}

/** Throws `image-invalid` for partitions that cannot be, and for a chain that does not end. */
export async function mbrPartitions(
  disk: BlockReader,
  entries: readonly Entry[],
): Promise<readonly Partition[]> {
  const partitions: Partition[] = [];
  for (const [index, entry] of entries.entries()) {
    if (entry.type === 0) continue;
    if (!extendedTypes.includes(entry.type)) {
      partitions.push(toPartition(index + 1, 0, entry));
      continue;
    }
    const taken = partitions.filter(({ number }) => number >= firstLogical).length;
    partitions.push(...(await readChain(disk, entry, firstLogical + taken)));
  }
  return checkPartitions(disk, partitions);
}

/** Each link has a partition, counted from itself, and the next link, counted from where the whole begins. */
async function readChain(disk: BlockReader, outer: Entry, number: number): Promise<Partition[]> {
  const found: Partition[] = [];
  const visited = new Set<number>();
  for (let at = outer.first; ; ) {
    if ((at + 1) * sectorBytes > disk.sizeBytes)
      throw invalidTable(disk, "its extended partition leaves the disk");
    if (visited.has(at) || visited.size === mostPartitions)
      throw invalidTable(disk, "its extended partition has no end");
    visited.add(at);
    const entries = parseEntries(await disk.read(at * sectorBytes, sectorBytes));
    if (entries === undefined) throw invalidTable(disk, "its extended partition has a link without a table");
    const next = entries.find(({ type }) => extendedTypes.includes(type));
    for (const entry of entries.slice(0, 2)) {
      if (entry.type === 0 || extendedTypes.includes(entry.type)) continue;
      found.push(toPartition(number + found.length, at, entry));
    }
    if (next === undefined) return found;
    at = outer.first + next.first;
  }
}

function toPartition(number: number, base: number, { type, first, sectors }: Entry): Partition {
  return {
    number,
    startBytes: (base + first) * sectorBytes,
    sizeBytes: sectors * sectorBytes,
    type: type.toString(16).padStart(2, "0"),
    name: "",
  };
}

function parseEntries(sector: Buffer): readonly Entry[] | undefined {
  if (sector.readUInt16LE(510) !== 0xaa55) return undefined;
  return [0, 1, 2, 3].map((index) => {
    const at = tableAt + index * entryBytes;
    return {
      status: sector[at] ?? 0,
      type: sector[at + 4] ?? 0,
      first: sector.readUInt32LE(at + 8),
      sectors: sector.readUInt32LE(at + 12),
    };
  });
}
