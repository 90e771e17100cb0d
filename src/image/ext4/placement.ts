import { toBytes } from "../tar/bytes.ts";
import { areInline, buildExtentTree, inlineExtents } from "./extents.ts";
import { blockBytes, fastSymlinkBytes, inodeFlags, maxLinks, modeBits } from "./format.ts";
import { type Extent, extentsOfFile, type Inode, type InodeId, type SymlinkInode } from "./inode.ts";
import { encodeDevice, type InodeRecord, inodeSeed, newRecord, type RecordRoom } from "./inode-record.ts";
import { pathOf } from "./numbering.ts";
import { type PlacedFolder, writeFolder } from "./placed-folder.ts";
import type { FileTree } from "./tree.ts";
import { placeBlock, placeBlocks, type SealedVolume } from "./volume.ts";
import { packXattrs, sealXattrBlock, storedXattrs } from "./xattrs.ts";

/**
 * What is known of inodes once all of them that stands outside of the table is written. Not of plain folders, of which an image has
 * ten thousands: they know it themselves.
 */
export type PlacedInodes = Map<InodeId, InodeRecord>;

/** Whether all of an inode stands in the inode table: then there is nothing to place. */
export function standsInTable(inode: Inode): boolean {
  if (inode.attributes.xattrs.size > 0) return false;
  switch (inode.kind) {
    case "folder":
      return false;
    case "file":
      return areInline(extentsOfFile(inode));
    case "symlink":
      return isFast(inode);
    default:
      return true;
  }
}

const isFast = ({ target }: SymlinkInode): boolean => target.length < fastSymlinkBytes;

/**
 * Writes all that an inode has outside of the inode table (names, a long target, extended attributes, the extent
 * tree), and notes in `placed` what is to stand in the table. A promise comes back only when there is something to wait for.
 * Throws `image-invalid` where ext4 cannot hold it.
 */
export function placeInode(
  volume: SealedVolume,
  tree: FileTree,
  inode: Inode,
  placed: PlacedInodes,
): Promise<void> | undefined {
  if (inode.kind !== "folder") return placeRest(volume, tree, inode, { extents: [], indexed: false }, placed);
  const { folder, waiting } = writeFolder(volume, tree, inode);
  if (waiting !== undefined) return waiting.then(() => placeRest(volume, tree, inode, folder, placed));
  const [run] = folder.extents;
  if (inode.attributes.xattrs.size > 0 || run === undefined || folder.extents.length > 1)
    return placeRest(volume, tree, inode, folder, placed);
  inode.start = run.physical;
  inode.blocks = run.length;
  inode.indexed = folder.indexed;
  return undefined;
}

/** All but a folder's names. */
async function placeRest(
  volume: SealedVolume,
  tree: FileTree,
  inode: Inode,
  folder: PlacedFolder,
  placed: PlacedInodes,
): Promise<void> {
  const extents = await extentsFor(volume, inode, folder);
  const record = newRecord();
  fillRecord(record, inode, extents, folder.indexed, linkCount(tree, inode));
  if (!areInline(extents)) {
    const { bytes, blocks } = await extentBody(volume, inode.number, extents);
    record.body = bytes;
    record.blocks = blocks;
  }
  await placeXattrs(volume, tree, inode, record);
  placed.set(inode.id, record);
}

async function extentsFor(
  volume: SealedVolume,
  inode: Inode,
  folder: PlacedFolder,
): Promise<readonly Extent[]> {
  if (inode.kind === "file") return extentsOfFile(inode);
  if (inode.kind !== "symlink" || isFast(inode)) return folder.extents;
  const block = Buffer.alloc(blockBytes);
  toBytes(inode.target).copy(block);
  return await placeBlocks(volume, [block]);
}

/** What stands in the table of an inode that was placed, or needs no placing; perhaps in `room`. */
export function recordFor(tree: FileTree, inode: Inode, placed: PlacedInodes, room: RecordRoom): InodeRecord {
  const found = placed.get(inode.id);
  if (found !== undefined) return found;
  if (inode.kind !== "folder") {
    fillRecord(room, inode, inode.kind === "file" ? extentsOfFile(inode) : [], false, inode.links);
    return room;
  }
  const { start, blocks, indexed } = inode;
  fillRecord(room, inode, [{ logical: 0, physical: start, length: blocks }], indexed, linkCount(tree, inode));
  return room;
}

/** All of a record but extended attributes, and extents that have no room in it. */
function fillRecord(
  record: RecordRoom,
  inode: Inode,
  extents: readonly Extent[],
  indexed: boolean,
  links: number,
): void {
  const { attributes } = inode;
  record.number = inode.number;
  record.mode = modeBits[inode.kind] | attributes.permissions;
  record.uid = attributes.uid;
  record.gid = attributes.gid;
  record.links = links;
  record.modified = attributes.modified;
  record.blocks = blocksOf(extents);
  record.sizeBytes = sizeOf(inode, record.blocks);
  record.flags = indexed ? inodeFlags.index : 0;
  record.body.fill(0);
  if (inode.kind === "file" || extents.length > 0) {
    record.flags |= inodeFlags.extents;
    if (areInline(extents)) inlineExtents(extents, record.body);
  } else if (inode.kind === "symlink") record.body.write(inode.target, "latin1");
  else if (inode.kind !== "folder") encodeDevice(inode.major, inode.minor, record.body);
}

function sizeOf(inode: Inode, blocks: number): number {
  switch (inode.kind) {
    case "file":
      return inode.sizeBytes;
    case "symlink":
      return inode.target.length;
    case "folder":
      return blocks * blockBytes;
    default:
      return 0;
  }
}

function blocksOf(extents: readonly Extent[]): number {
  let blocks = 0;
  for (const { length } of extents) blocks += length;
  return blocks;
}

/** The middle of the record of an inode with these extents, and how many blocks it uses with those of the extent tree. */
export async function extentBody(
  volume: SealedVolume,
  number: number,
  extents: readonly Extent[],
): Promise<{ readonly bytes: Buffer; readonly blocks: number }> {
  const seed = inodeSeed(volume.seed, number);
  const tree = await buildExtentTree(extents, seed, (content) => placeBlock(volume, content));
  return { bytes: tree.root, blocks: blocksOf(extents) + tree.blocks };
}

/** Writes what of the extended attributes has no room in the inode, and completes the record. */
async function placeXattrs(
  volume: SealedVolume,
  tree: FileTree,
  inode: Inode,
  record: RecordRoom,
): Promise<void> {
  if (inode.attributes.xattrs.size === 0) return;
  const path = () => pathOf(tree, inode);
  const { stored, permissions } = storedXattrs(inode.attributes, inode.kind, path);
  const { inline, block } = packXattrs(stored, path);
  record.mode = modeBits[inode.kind] | permissions;
  record.inlineXattrs = inline;
  if (block === undefined) return;
  record.xattrBlock = await placeBlock(volume, block, (at) => sealXattrBlock(block, at, volume.seed));
  record.blocks += 1;
}

/** A folder's own two names and its subfolders' ".."; 1 stands for more than can be counted. */
function linkCount(tree: FileTree, inode: Inode): number {
  if (inode.kind !== "folder") return inode.links;
  let links = 2;
  for (const child of tree.inodesIn(inode)) if (tree.isFolder(child)) links++;
  return links > maxLinks ? 1 : links;
}
