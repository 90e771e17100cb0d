import { type Ext4Disk, readBlock } from "./disk.ts";
import type { Ext4Inode } from "./inode.ts";
import type { MappingBuilder } from "./mapping.ts";

const magic = 0xf30a;
const headerBytes = 12;
const entryBytes = 12;
const deepest = 5;
/** Extents that are longer are allocated, but were never written. */
const longestWritten = 32_768;

/** Adds the extents of an inode that has a tree of them. Throws `io-failed`. */
export async function readExtentTree(
  disk: Ext4Disk,
  { body }: Ext4Inode,
  into: MappingBuilder,
): Promise<void> {
  const depth = body.readUInt16LE(6);
  if (depth > deepest) throw into.damaged("has too deep a tree of extents");
  await readNode(disk, body, depth, into);
}

async function readNode(disk: Ext4Disk, node: Buffer, depth: number, into: MappingBuilder): Promise<void> {
  const entries = node.readUInt16LE(2);
  const valid = node.readUInt16LE(0) === magic && node.readUInt16LE(6) === depth;
  if (!valid || headerBytes + entries * entryBytes > node.length)
    throw into.damaged("has a broken tree of extents");
  for (let index = 0; index < entries; index += 1) {
    const at = headerBytes + index * entryBytes;
    if (depth === 0) addExtent(node, at, into);
    else {
      const block = node.readUInt32LE(at + 4) + node.readUInt16LE(at + 8) * 2 ** 32;
      into.visit(block);
      await readNode(disk, Buffer.from(await readBlock(disk, block)), depth - 1, into);
    }
  }
}

function addExtent(node: Buffer, at: number, into: MappingBuilder): void {
  const length = node.readUInt16LE(at + 4);
  const written = length <= longestWritten;
  const physical = node.readUInt32LE(at + 8) + node.readUInt16LE(at + 6) * 2 ** 32;
  if (length === 0) throw into.damaged("has an empty extent");
  into.add(node.readUInt32LE(at), physical, written ? length : length - longestWritten, written);
}
