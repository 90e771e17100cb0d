import { EmberError } from "../../../../errors/ember-error.ts";
import { type BlockReader, checkRange } from "../../../disk/block-reader.ts";
import type { Ext4Disk } from "../disk.ts";
import { readInode } from "../inode.ts";
import { mappingOf } from "../mapping.ts";
import { damaged } from "../superblock.ts";
import {
  isAfter,
  isValidContent,
  type JournalSuperblock,
  parseJournalSuperblock,
  restoreMagic,
} from "./format.ts";
import { Log } from "./log.ts";
import { readTransactions } from "./transactions.ts";

/** Where the content of a block is found that the journal has a newer one of. */
interface Newer {
  readonly place: number;
  readonly escaped: boolean;
}

/**
 * `disk` as it is once its journal is replayed, as a mount would do. Nothing is written: blocks that the journal has
 * newer content of are read from there. Throws `unsupported` for journals of unknown kinds and on other devices,
 * `io-failed` for broken ones.
 */
export async function replayed(disk: Ext4Disk): Promise<BlockReader> {
  const { superblock, data } = disk;
  if (superblock.journalInode === 0) throw unknown(data, "lies on another device");
  const inode = await readInode(disk, superblock.journalInode);
  const log = new Log(data, await mappingOf(disk, inode), superblock.blockBytes);
  const journal = parseJournalSuperblock(await log.read(0));
  if (journal === undefined) throw damaged(data, "its journal has no beginning");
  if (journal === "unknown" || superblock.hasFastCommits) throw unknown(data, "is of an unknown kind");
  if (journal.asyncCommit && journal.checksums === "none") throw unknown(data, "has no checksums");
  if (journal.start === 0) return data;
  const possible =
    journal.blockBytes === superblock.blockBytes &&
    journal.first >= 1 &&
    journal.start >= journal.first &&
    journal.start < journal.end &&
    journal.end <= Math.ceil(inode.sizeBytes / superblock.blockBytes);
  if (!possible) throw damaged(data, "its journal is impossible");
  return overlaid(data, await newerBlocks(disk, journal, log), superblock.blockBytes);
}

function unknown({ name }: BlockReader, why: string): EmberError {
  return new EmberError(
    "unsupported",
    `the file system on '${name}' was not unmounted, and its journal ${why}`,
    {
      hint: "start the VM and stop it, or freeze it, before a snapshot is made",
    },
  );
}

async function newerBlocks(
  disk: Ext4Disk,
  journal: JournalSuperblock,
  log: Log,
): Promise<ReadonlyMap<number, Newer>> {
  const { blocks, revoked } = await readTransactions(journal, log);
  const newer = new Map<number, Newer>();
  for (const { tag, position, sequence } of blocks) {
    const revokedIn = revoked.get(tag.target);
    if (tag.deleted || (revokedIn !== undefined && !isAfter(sequence, revokedIn))) continue;
    if (tag.target >= disk.superblock.blocks) throw damaged(disk.data, "its journal writes behind its end");
    const place = log.placeOf(position);
    if (!isValidContent(journal, sequence, tag, await log.read(position))) {
      throw damaged(disk.data, `its journal's content of block ${tag.target} is not what was written`);
    }
    newer.set(tag.target, { place, escaped: tag.escaped });
  }
  return newer;
}

function overlaid(disk: BlockReader, newer: ReadonlyMap<number, Newer>, blockBytes: number): BlockReader {
  const contentOf = async ({ place, escaped }: Newer): Promise<Buffer> => {
    const content = await disk.read(place * blockBytes, blockBytes);
    return escaped ? restoreMagic(content) : content;
  };
  return {
    name: disk.name,
    sizeBytes: disk.sizeBytes,
    async read(offset, length) {
      checkRange(disk, offset, length);
      let bytes = await disk.read(offset, length);
      let own = false;
      for (let block = Math.floor(offset / blockBytes); block * blockBytes < offset + length; block += 1) {
        const found = newer.get(block);
        if (found === undefined) continue;
        if (!own) bytes = Buffer.from(bytes); // what a reader hands out is not to be changed
        own = true;
        const at = block * blockBytes - offset;
        const content = await contentOf(found);
        content.copy(bytes, Math.max(0, at), Math.max(0, -at));
      }
      return bytes;
    },
    [Symbol.asyncDispose]: () => disk[Symbol.asyncDispose](),
  };
}
