import { crc32 } from "node:zlib";

// Partition tables for tests: right ones, and whatever else the numbers given make of them.

export const sectorBytes = 512;
export const linuxType = "0fc63daf-8483-4772-8e79-3d69d8477de4";

/** In sectors; `last` is within, as a GPT has it. */
export interface GptEntry {
  readonly first: number;
  readonly last: number;
  readonly type?: string;
  readonly name?: string;
}

export interface GptOptions {
  readonly sectors: number;
  readonly entries: readonly GptEntry[];
  /** What the header says; default: as many as the table needs, at least 4. */
  readonly entryCount?: number;
  readonly sectorBytes?: number;
}

/** A disk with a GPT at its beginning and at its end, and a protective MBR. */
export function gptDisk({
  sectors,
  entries,
  entryCount,
  sectorBytes: sector = sectorBytes,
}: GptOptions): Buffer {
  const disk = Buffer.alloc(sectors * sector);
  const count = entryCount ?? Math.max(4, entries.length);
  const table = Buffer.alloc(Math.max(4, entries.length) * 128);
  for (const [index, entry] of entries.entries()) writeEntry(table, index * 128, entry);
  const tableSectors = Math.ceil(table.length / sector);
  const last = sectors - 1;
  table.copy(disk, 2 * sector);
  table.copy(disk, (last - tableSectors) * sector);
  for (const [at, other, tableAt] of [
    [1, last, 2],
    [last, 1, last - tableSectors],
  ] as const) {
    const header = disk.subarray(at * sector, (at + 1) * sector);
    header.write("EFI PART");
    header.writeUInt32LE(0x10000, 8);
    header.writeUInt32LE(92, 12);
    for (const [place, value] of [
      [24, at],
      [32, other],
      [40, 2 + tableSectors],
      [48, last - tableSectors - 1],
      [72, tableAt],
    ] as const)
      header.writeBigUInt64LE(BigInt(value), place);
    header.writeUInt32LE(count, 80);
    header.writeUInt32LE(128, 84);
  }
  repairGpt(disk, sector);
  writeMbrEntry(disk, 0, 0, { type: 0xee, first: 1, sectors: Math.min(last, 0xffffffff) });
  disk.writeUInt16LE(0xaa55, 510);
  return disk;
}

/** Makes the checksums of all headers right, where what they say of their tables can be looked at. */
export function repairGpt(disk: Buffer, sector: number = sectorBytes): void {
  for (let at = 0; at + sector <= disk.length; at += sector) {
    const header = disk.subarray(at, at + sector);
    if (header.toString("latin1", 0, 8) !== "EFI PART") continue;
    const place = Number(header.readBigUInt64LE(72)) * sector;
    const length = header.readUInt32LE(80) * header.readUInt32LE(84);
    if (place + length <= disk.length) header.writeUInt32LE(crc32(disk.subarray(place, place + length)), 88);
    header.writeUInt32LE(0, 16);
    header.writeUInt32LE(crc32(header.subarray(0, Math.min(header.readUInt32LE(12), sector))), 16);
  }
}

function writeEntry(table: Buffer, at: number, { first, last, type = linuxType, name = "" }: GptEntry): void {
  const hex = type.replaceAll("-", "");
  const bytes = Buffer.from(hex, "hex");
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  bytes.copy(table, at);
  table.fill(at % 255, at + 16, at + 32);
  table.writeBigUInt64LE(BigInt(first), at + 32);
  table.writeBigUInt64LE(BigInt(last), at + 40);
  table.write(name, at + 56, 72, "utf16le");
}

/** In sectors. */
export interface MbrEntry {
  readonly type: number;
  readonly first: number;
  readonly sectors: number;
}

/** Writes an MBR, or a link of an extended partition's chain, at a sector. */
export function writeMbr(disk: Buffer, sector: number, entries: readonly MbrEntry[]): void {
  for (const [index, entry] of entries.entries()) writeMbrEntry(disk, sector, index, entry);
  disk.writeUInt16LE(0xaa55, sector * sectorBytes + 510);
}

function writeMbrEntry(disk: Buffer, sector: number, index: number, entry: MbrEntry): void {
  const at = sector * sectorBytes + 446 + index * 16;
  disk[at + 4] = entry.type;
  disk.writeUInt32LE(entry.first, at + 8);
  disk.writeUInt32LE(entry.sectors, at + 12);
}
