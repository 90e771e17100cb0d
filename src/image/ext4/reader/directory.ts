import { EmberError } from "../../../errors/ember-error.ts";
import { type ByteString, fromBytes } from "../../tar/bytes.ts";
import { rootInode } from "../format.ts";
import { contentOf } from "./content.ts";
import type { Ext4Disk } from "./disk.ts";
import { type Ext4Inode, flags, hasFlag } from "./inode.ts";
import { damaged } from "./superblock.ts";

const headerBytes = 8;
/** What stands in a directory's inode begins with its parent's number. */
const parentBytes = 4;
const bodyBytes = 60;
/** How many names of one directory are held in memory. */
const maxEntries = 4_000_000;

/** The names in a directory with the inodes they lead to, but for "." and "..". Throws `io-failed`, `unsupported`. */
export async function entriesOf(disk: Ext4Disk, inode: Ext4Inode): Promise<ReadonlyMap<ByteString, number>> {
  const names = new DirectoryNames(disk, inode);
  const content = await contentOf(disk, inode);
  if ("inline" in content) {
    names.addAll(content.inline.subarray(parentBytes, bodyBytes));
    names.addAll(content.inline.subarray(bodyBytes));
    return names.found;
  }
  const { blockBytes } = disk.superblock;
  for (const { physical, length } of content.extents) {
    for (let block = physical; block < physical + length; block += 1) {
      names.addAll(await disk.metadata.read(block * blockBytes, blockBytes));
    }
  }
  return names.found;
}

class DirectoryNames {
  readonly found = new Map<ByteString, number>();
  readonly #disk: Ext4Disk;
  readonly #inode: Ext4Inode;

  constructor(disk: Ext4Disk, inode: Ext4Inode) {
    this.#disk = disk;
    this.#inode = inode;
  }

  /**
   * One block's entries, each of which says how far it is to the next. The blocks of an index look like an unused
   * entry, or hide behind one that is too long, so that none of it needs to be told apart.
   */
  addAll(block: Buffer): void {
    for (let at = 0; at + headerBytes <= block.length; ) {
      const length = entryLength(block, at);
      const nameBytes = this.#disk.superblock.hasEntryTypes
        ? (block[at + 6] ?? 0)
        : block.readUInt16LE(at + 6);
      if (length < headerBytes || length % 4 !== 0 || at + length > block.length)
        throw this.#damaged("a broken entry");
      const number = block.readUInt32LE(at);
      if (number !== 0) {
        if (headerBytes + nameBytes > length) throw this.#damaged("a name that is too long");
        this.#add(fromBytes(block.subarray(at + headerBytes, at + headerBytes + nameBytes)), number);
      }
      at += length;
    }
  }

  #add(name: ByteString, number: number): void {
    if (name === "." || name === "..") return;
    const { firstFreeInode } = this.#disk.superblock;
    const impossible = name === "" || (/[/\0]/.test(name) && !hasFlag(this.#inode, flags.encrypted));
    if (impossible) throw this.#damaged("an impossible name");
    if (this.found.has(name)) throw this.#damaged("a name twice");
    if (number < firstFreeInode && number !== rootInode && number > 0)
      throw this.#damaged("a name for an inode of no file");
    if (this.found.size === maxEntries) {
      throw new EmberError(
        "unsupported",
        `a directory on '${this.#disk.data.name}' has more than ${maxEntries} names`,
      );
    }
    this.found.set(name, number);
  }

  #damaged(what: string): Error {
    return damaged(this.#disk.data, `directory ${this.#inode.number} has ${what}`);
  }
}

/** 16 bits for up to 256 KiB: lengths are multiples of four, and the largest block stands for itself. */
function entryLength(block: Buffer, at: number): number {
  const stored = block.readUInt16LE(at + 4);
  if (block.length < 65_536) return stored;
  return stored === 0 || stored === 65_535 ? block.length : (stored & 0xfffc) | ((stored & 3) << 16);
}
