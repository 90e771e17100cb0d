import { expect, test } from "bun:test";
import type { BlockReader } from "../../../disk/block-reader.ts";
import type { JournalSuperblock } from "./format.ts";
import { Log } from "./log.ts";
import { readTransactions } from "./transactions.ts";

const blockBytes = 1024;
const end = 16;
const types = { descriptor: 1, commit: 2, revoke: 5 } as const;

function block(type: keyof typeof types, sequence: number, numbers: readonly number[] = []): Buffer {
  const bytes = Buffer.alloc(blockBytes);
  bytes.writeUInt32BE(0xc03b3998, 0);
  bytes.writeUInt32BE(types[type], 4);
  bytes.writeUInt32BE(sequence, 8);
  if (type === "revoke") {
    bytes.writeUInt32BE(16 + 4 * numbers.length, 12);
    for (const [index, target] of numbers.entries()) bytes.writeUInt32BE(target, 16 + 4 * index);
  }
  if (type === "descriptor") {
    for (const [index, target] of numbers.entries()) {
      bytes.writeUInt32BE(target, 12 + 8 * index);
      bytes.writeUInt16BE(index === numbers.length - 1 ? 0x2 | 0x8 : 0x2, 18 + 8 * index);
    }
  }
  return bytes;
}

const content = Buffer.alloc(blockBytes, 7);

/** What a log says that holds those blocks from `start` on, first transaction 5. Targets with where they are found. */
async function read(blocks: readonly Buffer[], start = 1) {
  const disk = Buffer.alloc(end * blockBytes);
  for (const [index, bytes] of blocks.entries()) {
    bytes.copy(disk, (1 + ((start - 1 + index) % (end - 1))) * blockBytes);
  }
  const reader: BlockReader = {
    name: "log",
    sizeBytes: disk.length,
    read: async (offset, length) => disk.subarray(offset, offset + length),
    [Symbol.asyncDispose]: async () => undefined,
  };
  const log = new Log(reader, [{ logical: 0, physical: 0, length: end }], blockBytes);
  const journal: JournalSuperblock = {
    blockBytes,
    end,
    first: 1,
    start,
    sequence: 5,
    is64bit: false,
    checksums: "none",
    asyncCommit: false,
    seed: 0,
  };
  const result = await readTransactions(journal, log);
  return {
    blocks: result.blocks.map(({ tag, position }) => `${tag.target} at ${position}`),
    revoked: [...result.revoked],
  };
}

const first = [block("descriptor", 5, [100, 101]), content, content, block("commit", 5)];

test("a log holds the transactions that follow each other, up to what is left of older ones", async () => {
  const second = [block("descriptor", 6, [100]), content, block("commit", 6)];
  const stale = [block("descriptor", 3, [102]), content, block("commit", 3)];
  expect(await read([...first, ...second, ...stale])).toEqual({
    blocks: ["100 at 2", "101 at 3", "100 at 6"],
    revoked: [],
  });
});

test("a transaction without its commit was never made", async () => {
  const cut = [block("revoke", 6, [100]), block("descriptor", 6, [102]), content];
  expect(await read([...first, ...cut])).toEqual({ blocks: ["100 at 2", "101 at 3"], revoked: [] });
  expect(await read([...first, ...cut, block("commit", 7)])).toMatchObject({ revoked: [] });
});

test("a log goes on at its beginning, and does not go round twice", async () => {
  expect(await read(first, 14)).toEqual({ blocks: ["100 at 15", "101 at 1"], revoked: [] });
  const full = Array.from({ length: 5 }, (_, index) => [
    block("descriptor", 5 + index, [200 + index]),
    content,
    block("commit", 5 + index),
  ]);
  expect((await read(full.flat(), 3)).blocks).toHaveLength(5);
});

test("blocks that were given up are known by the last transaction that said so", async () => {
  const later = [
    block("revoke", 6, [100]),
    block("commit", 6),
    block("revoke", 7, [100, 300]),
    block("commit", 7),
  ];
  expect((await read([...first, ...later])).revoked).toEqual([
    [100, 7],
    [300, 7],
  ]);
});
