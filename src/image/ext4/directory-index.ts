import { EmberError } from "../../errors/ember-error.ts";
import { crc32c, crc32cNumber } from "./crc32c.ts";
import { writeEntry } from "./directory-entry.ts";
import { blockBytes } from "./format.ts";

/** A block of names, and the lowest hash in it (0 for the first). */
export interface Leaf {
  readonly hash: number;
  readonly block: Buffer;
}

const halfMd4 = 1;
const rootEntriesAt = 32;
const nodeEntriesAt = 8;
const tailBytes = 8;
const rootCapacity = (blockBytes - rootEntriesAt - tailBytes) / 8;
const nodeCapacity = (blockBytes - nodeEntriesAt - tailBytes) / 8;

interface IndexEntry {
  readonly hash: number;
  /** Number of the block in the directory. */
  readonly block: number;
}

/**
 * An indexed directory: its root (which reads as a block with only `.` and `..`), where needed one level of index
 * blocks, then the leaves. The kernel calls it HTree: Documentation/filesystems/ext4/directory.rst.
 */
export function buildIndex(self: number, parent: number, leaves: readonly Leaf[], seed: number): Buffer[] {
  const flat = leaves.length <= rootCapacity;
  const nodeCount = flat ? 0 : Math.ceil(leaves.length / nodeCapacity);
  if (nodeCount > rootCapacity)
    throw new EmberError("image-invalid", "a directory has too many entries for ext4");
  const entries = leaves.map((leaf, index) => ({ hash: leaf.hash, block: 1 + nodeCount + index }));
  const nodes: Buffer[] = [];
  const top: IndexEntry[] = [];
  for (let node = 0; node < nodeCount; node++) {
    const part = entries.slice(node * nodeCapacity, (node + 1) * nodeCapacity);
    top.push({ hash: part[0]?.hash ?? 0, block: 1 + node });
    nodes.push(encodeNode(part, seed));
  }
  const root = encodeRoot(self, parent, flat ? entries : top, flat ? 0 : 1, seed);
  return [root, ...nodes, ...leaves.map((leaf) => leaf.block)];
}

function encodeRoot(
  self: number,
  parent: number,
  entries: readonly IndexEntry[],
  levels: number,
  seed: number,
): Buffer {
  const block = Buffer.alloc(blockBytes);
  writeEntry(block, 0, { name: ".", inode: self, type: "folder" }, 12);
  writeEntry(block, 12, { name: "..", inode: parent, type: "folder" }, blockBytes - 12);
  block.writeUInt8(halfMd4, 28);
  block.writeUInt8(8, 29); // length of this information
  block.writeUInt8(levels, 30);
  writeEntries(block, rootEntriesAt, rootCapacity, entries, seed);
  return block;
}

function encodeNode(entries: readonly IndexEntry[], seed: number): Buffer {
  const block = Buffer.alloc(blockBytes);
  block.writeUInt16LE(blockBytes, 4); // one unused entry over the whole block, for readers that know no index
  writeEntries(block, nodeEntriesAt, nodeCapacity, entries, seed);
  return block;
}

/** The first entry's hash is not stored: its place holds the capacity and the count. */
function writeEntries(
  block: Buffer,
  at: number,
  capacity: number,
  entries: readonly IndexEntry[],
  seed: number,
): void {
  entries.forEach((entry, index) => {
    if (index > 0) block.writeUInt32LE(entry.hash, at + index * 8);
    block.writeUInt32LE(entry.block, at + index * 8 + 4);
  });
  block.writeUInt16LE(capacity, at);
  block.writeUInt16LE(entries.length, at + 2);
  const tail = at + capacity * 8; // 4 bytes reserved, 4 bytes checksum, which counts as 0
  const sum = crc32cNumber(crc32c(crc32c(seed, block, 0, at + entries.length * 8), block, tail, tail + 4), 0);
  block.writeUInt32LE(sum, tail + 4);
}
