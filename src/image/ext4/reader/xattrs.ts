import { createHash } from "node:crypto";
import { type ByteString, fromBytes } from "../../tar/bytes.ts";
import { contentOf, readContent } from "./content.ts";
import { type Ext4Disk, readBlock } from "./disk.ts";
import { type Ext4Inode, flags, hasFlag, readInode } from "./inode.ts";
import { damaged } from "./superblock.ts";

const magic = 0xea020000;
const inodeHeaderBytes = 4;
const blockHeaderBytes = 32;
const entryHeaderBytes = 16;
/** The name space of ext4 itself, in which the rest of inline data is called "data". */
const systemIndex = 7;
/** Linux allows no longer value. */
const maxValueBytes = 65_536;

/** A stored attribute: its value stands in the same buffer, or in an inode of its own. */
interface Entry {
  readonly prefixIndex: number;
  readonly name: ByteString;
  readonly value: Buffer | { readonly inode: number; readonly sizeBytes: number };
}

/**
 * An inode's extended attributes, to be compared: by name space and name, the value itself where it is short, else its
 * digest. However many there are, they cost little memory.
 */
export async function xattrsOf(disk: Ext4Disk, inode: Ext4Inode): Promise<ReadonlyMap<string, string>> {
  const result = new Map<string, string>();
  for (const entry of await entriesOf(disk, inode)) {
    if (isInlineRest(inode, entry)) continue;
    result.set(`${entry.prefixIndex} ${entry.name}`, shortened(await storedValue(disk, entry)));
  }
  return result;
}

/** What of an inode's inline data does not fit into its body. */
export async function inlineRest(disk: Ext4Disk, inode: Ext4Inode): Promise<Buffer> {
  const entry = (await entriesOf(disk, inode)).find((each) => isInlineRest(inode, each));
  return entry === undefined ? Buffer.alloc(0) : await storedValue(disk, entry);
}

function isInlineRest(inode: Ext4Inode, { prefixIndex, name }: Entry): boolean {
  return hasFlag(inode, flags.inlineData) && prefixIndex === systemIndex && name === "data";
}

async function entriesOf(disk: Ext4Disk, inode: Ext4Inode): Promise<Entry[]> {
  const broken = (): Error => damaged(disk.data, `inode ${inode.number} has broken attributes`);
  const { extra, attributeBlock } = inode;
  const entries: Entry[] = [];
  if (extra.length >= inodeHeaderBytes && extra.readUInt32LE(0) === magic)
    parseEntries(extra, inodeHeaderBytes, inodeHeaderBytes, entries, broken);
  if (attributeBlock !== 0) {
    const block = Buffer.from(await readBlock(disk, attributeBlock));
    if (block.readUInt32LE(0) !== magic) throw broken();
    parseEntries(block, blockHeaderBytes, 0, entries, broken);
  }
  return entries;
}

/** Entries begin at `start`, offsets of values count from `base`; four zero bytes, or the end, end them. */
function parseEntries(bytes: Buffer, start: number, base: number, into: Entry[], broken: () => Error): void {
  for (let at = start; at + 4 <= bytes.length && bytes.readUInt32LE(at) !== 0; ) {
    const nameAt = at + entryHeaderBytes;
    const nameBytes = bytes[at] ?? 0;
    if (nameAt + nameBytes > bytes.length) throw broken();
    const valueAt = base + bytes.readUInt16LE(at + 2);
    const valueInode = bytes.readUInt32LE(at + 4);
    const sizeBytes = bytes.readUInt32LE(at + 8);
    if (sizeBytes > maxValueBytes || (valueInode === 0 && valueAt + sizeBytes > bytes.length)) throw broken();
    into.push({
      prefixIndex: bytes[at + 1] ?? 0,
      name: fromBytes(bytes.subarray(nameAt, nameAt + nameBytes)),
      value:
        valueInode === 0 ? bytes.subarray(valueAt, valueAt + sizeBytes) : { inode: valueInode, sizeBytes },
    });
    at = nameAt + Math.ceil(nameBytes / 4) * 4;
  }
}

async function storedValue(disk: Ext4Disk, { value }: Entry): Promise<Buffer> {
  if (Buffer.isBuffer(value)) return value;
  const inode = await readInode(disk, value.inode);
  if (!hasFlag(inode, flags.attributeValue) || hasFlag(inode, flags.inlineData)) {
    throw damaged(disk.data, `inode ${value.inode} is not the value of an attribute`);
  }
  return await readContent(disk, await contentOf(disk, inode), 0, value.sizeBytes);
}

function shortened(value: Buffer): string {
  if (value.length <= 64) return value.toString("latin1");
  return `${value.length} ${createHash("sha256").update(value).digest("base64")}`;
}
