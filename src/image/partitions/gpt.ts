import { crc32 } from "node:zlib";
import type { BlockReader } from "../disk/block-reader.ts";
import { checkPartitions, invalidTable, type Partition } from "./partition.ts";

// The GUID partition table (UEFI specification, chapter 5). Little-endian; places are counted in sectors.

const signature = "EFI PART";
/** Disks of 4096-byte sectors are rare, and say nowhere that they are. */
const sectorSizes = [512, 4096] as const;
const headerBytes = 92;
const entryBytes = 128;
/** What tools make is 128 of 128 bytes. */
const mostEntryBytes = 4096;
const mostTableBytes = 1024 * 1024;
const unusedType = "00000000-0000-0000-0000-000000000000";

/** A header whose checksum is right, which says little of whether what it says can be. */
interface Header {
  readonly tableAt: number;
  readonly entries: number;
  readonly entryBytes: number;
  readonly tableCrc: number;
}

type Outcome = { readonly partitions: readonly Partition[] } | { readonly problem: string };

/**
 * The partitions of a GPT; undefined for a disk without one. The table at the end of the disk is read where the one at its
 * beginning is damaged. `isProtected`: the MBR says that there is a GPT. Throws `image-invalid` when neither can be used,
 * or for one that says what cannot be.
 */
export async function readGpt(
  disk: BlockReader,
  isProtected: boolean,
): Promise<readonly Partition[] | undefined> {
  let problem: string | undefined;
  for (const sectorBytes of sectorSizes) {
    const sectors = Math.floor(disk.sizeBytes / sectorBytes);
    for (const at of [1, sectors - 1]) {
      // A table at the end alone is what is left of a disk's former life.
      if (at !== 1 && !isProtected && problem === undefined) continue;
      const outcome = await readTable(disk, at, sectorBytes);
      if (outcome === undefined) continue;
      if ("partitions" in outcome) return checkPartitions(disk, outcome.partitions);
      problem ??= outcome.problem;
    }
  }
  if (problem !== undefined) throw invalidTable(disk, problem);
  if (isProtected)
    throw invalidTable(disk, "its GPT is missing, at the beginning and at the end of the disk");
  return undefined;
}

/** Undefined when there is no header at the sector `at`. */
async function readTable(disk: BlockReader, at: number, sectorBytes: number): Promise<Outcome | undefined> {
  if (at < 1 || (at + 1) * sectorBytes > disk.sizeBytes) return undefined;
  const sector = Buffer.from(await disk.read(at * sectorBytes, sectorBytes));
  if (sector.toString("latin1", 0, 8) !== signature) return undefined;
  const header = parseHeader(sector, at);
  if (typeof header === "string") return { problem: header };
  const place = header.tableAt * sectorBytes;
  const length = header.entries * header.entryBytes;
  if (header.tableAt < 1 || length > mostTableBytes || place + length > disk.sizeBytes)
    return { problem: "its entries lie outside the disk" };
  const table = await disk.read(place, length);
  if (crc32(table) !== header.tableCrc) return { problem: "its entries' checksum is wrong" };
  return { partitions: parseEntries(table, header, sectorBytes) };
}

/** Or what is wrong with it. */
function parseHeader(sector: Buffer, at: number): Header | string {
  const length = sector.readUInt32LE(12);
  if (length < headerBytes || length > sector.length) return "its header has an impossible size";
  const checked = Buffer.from(sector.subarray(0, length));
  checked.writeUInt32LE(0, 16); // where the checksum itself stands
  if (crc32(checked) !== sector.readUInt32LE(16)) return "its header's checksum is wrong";
  if (readSector(sector, 24) !== at) return "its header belongs elsewhere";
  const bytes = sector.readUInt32LE(84);
  if (bytes < entryBytes || bytes > mostEntryBytes || bytes % 8 !== 0)
    return "its entries have an impossible size";
  return {
    tableAt: readSector(sector, 72),
    entries: sector.readUInt32LE(80),
    entryBytes: bytes,
    tableCrc: sector.readUInt32LE(88),
  };
}

function parseEntries(
  table: Buffer,
  { entries, entryBytes: step }: Header,
  sectorBytes: number,
): Partition[] {
  const partitions: Partition[] = [];
  for (let index = 0; index < entries; index++) {
    const entry = table.subarray(index * step, index * step + entryBytes);
    const type = guidAt(entry, 0);
    if (type === unusedType) continue;
    const [first, last] = [readSector(entry, 32), readSector(entry, 40)];
    partitions.push({
      number: index + 1,
      startBytes: first * sectorBytes,
      sizeBytes: (last - first + 1) * sectorBytes,
      type,
      name: entry.toString("utf16le", 56, 128).replace(/\0.*$/s, ""),
    });
  }
  return partitions;
}

/** What a number here cannot hold exactly is out of every range anyway. */
function readSector(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}

/** The first three groups are little-endian numbers, the others bytes in order. */
function guidAt(bytes: Buffer, at: number): string {
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");
  return [
    hex(bytes.readUInt32LE(at), 8),
    hex(bytes.readUInt16LE(at + 4), 4),
    hex(bytes.readUInt16LE(at + 6), 4),
    bytes.toString("hex", at + 8, at + 10),
    bytes.toString("hex", at + 10, at + 16),
  ].join("-");
}
