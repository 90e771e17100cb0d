import type { ByteString } from "../tar/bytes.ts";
import { entryTypes, type InodeKind } from "./format.ts";

/** What one entry of a directory says. */
export interface DirectoryEntry {
  readonly name: ByteString;
  readonly inode: number;
  readonly type: InodeKind;
}

/** How long an entry is at the least. */
export function entryBytes(name: ByteString): number {
  return 8 + Math.ceil(name.length / 4) * 4;
}

/** Writes an entry that reaches over `length` bytes. */
export function writeEntry(block: Buffer, at: number, entry: DirectoryEntry, length: number): void {
  block.writeUInt32LE(entry.inode, at);
  block.writeUInt16LE(length, at + 4);
  block.writeUInt8(entry.name.length, at + 6);
  block.writeUInt8(entryTypes[entry.type], at + 7);
  block.write(entry.name, at + 8, "latin1");
}
