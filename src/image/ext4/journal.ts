import { blockBytes } from "./format.ts";

/** The first block of an empty journal (jbd2, big-endian); the rest may be anything. */
export function encodeJournalSuperblock(blocks: number): Buffer {
  const block = Buffer.alloc(blockBytes);
  block.writeUInt32BE(0xc03b3998, 0);
  block.writeUInt32BE(4, 4); // superblock, version 2
  block.writeUInt32BE(blockBytes, 12);
  block.writeUInt32BE(blocks, 16);
  block.writeUInt32BE(1, 20); // the log's first block
  block.writeUInt32BE(1, 24); // the first transaction's number
  // At 28: where the log begins; 0 for an empty one.
  block.writeUInt32BE(1, 64); // file systems that use it
  return block;
}
