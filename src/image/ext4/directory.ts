import { crc32c, crc32cZeros } from "./crc32c.ts";
import { type DirectoryEntry, entryBytes, writeEntry } from "./directory-entry.ts";
import { directoryHash, type HashSeed } from "./directory-hash.ts";
import { buildIndex, type Leaf } from "./directory-index.ts";
import { blockBytes } from "./format.ts";
import { takeBlock } from "./spare-blocks.ts";

export interface DirectoryContent {
  /** In the order of the file. */
  readonly blocks: readonly Buffer[];
  /** Whether it is sorted by hash, with an index. */
  readonly indexed: boolean;
}

/** The last 12 bytes of a block hold its checksum, dressed up as an entry without a name. */
const tailBytes = 12;
const usableBytes = blockBytes - tailBytes;
/** "." and "..". */
const dotsBytes = 2 * entryBytes(".");
/** How full the blocks of an indexed directory are made: a little room saves splitting them at the first new name. */
const leafFillBytes = Math.floor(usableBytes * 0.8);

/**
 * The blocks of a directory: a plain list while it fits one block, else sorted by hash behind an index, as the kernel
 * does it. `seed` is the checksum seed of the directory's own inode.
 */
export function buildDirectory(
  self: number,
  parent: number,
  entries: readonly DirectoryEntry[],
  options: { readonly seed: number; readonly hashSeed: HashSeed },
): DirectoryContent {
  const dots: DirectoryEntry[] = [
    { name: ".", inode: self, type: "folder" },
    { name: "..", inode: parent, type: "folder" },
  ];
  const total = entries.reduce((sum, entry) => sum + entryBytes(entry.name), dotsBytes);
  if (total <= usableBytes) {
    return { blocks: [encodeBlock([...dots, ...entries], options.seed)], indexed: false };
  }
  const leaves = buildLeaves(entries, options);
  return { blocks: buildIndex(self, parent, leaves, options.seed), indexed: true };
}

/** Blocks without any name, for a directory that is to have room beforehand. */
export function emptyDirectoryBlock(seed: number): Buffer {
  return encodeBlock([], seed);
}

function buildLeaves(
  entries: readonly DirectoryEntry[],
  options: { readonly seed: number; readonly hashSeed: HashSeed },
): Leaf[] {
  const hashed = entries.map((entry) => ({ entry, hash: directoryHash(entry.name, options.hashSeed) }));
  hashed.sort((a, b) => a.hash - b.hash); // stable: equal hashes keep the order of the tree
  const leaves: Leaf[] = [];
  let pending: DirectoryEntry[] = [];
  let bytes = 0;
  let firstHash = 0;
  let lastHash = -1;
  for (const { entry, hash } of hashed) {
    const length = entryBytes(entry.name);
    if (bytes + length > leafFillBytes && pending.length > 0) {
      leaves.push({ hash: firstHash, block: encodeBlock(pending, options.seed) });
      pending = [];
      bytes = 0;
      firstHash = hash === lastHash ? hash + 1 : hash; // the lowest bit: equal hashes go on from the block before
    }
    pending.push(entry);
    bytes += length;
    lastHash = hash;
  }
  leaves.push({ hash: firstHash, block: encodeBlock(pending, options.seed) });
  return leaves;
}

function encodeBlock(entries: readonly DirectoryEntry[], seed: number): Buffer {
  const block = takeBlock();
  let at = 0;
  let filled = 8;
  entries.forEach((entry, index) => {
    const length = index === entries.length - 1 ? usableBytes - at : entryBytes(entry.name);
    writeEntry(block, at, entry, length);
    filled = at + entryBytes(entry.name);
    at += length;
  });
  if (entries.length === 0) block.writeUInt16LE(usableBytes, 4);
  block.writeUInt16LE(tailBytes, usableBytes + 4);
  block.writeUInt8(0xde, usableBytes + 7);
  const checksum = crc32cZeros(crc32c(seed, block, 0, filled), usableBytes - filled);
  block.writeUInt32LE(checksum, usableBytes + 8);
  return block;
}
