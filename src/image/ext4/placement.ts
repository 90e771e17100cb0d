import { EmberError } from "../../errors/ember-error.ts";
import { toBytes } from "../tar/bytes.ts";
import { free } from "../tar/free.ts";
import { buildDirectory, type DirectoryContent, emptyDirectoryBlock } from "./directory.ts";
import type { DirectoryEntry } from "./directory-entry.ts";
import { areInline, buildExtentTree, inlineExtents } from "./extents.ts";
import {
  blockBytes,
  bodyBytes,
  fastSymlinkBytes,
  inodeFlags,
  lostFoundInode,
  maxLinks,
  modeBits,
  rootInode,
} from "./format.ts";
import { encodeDevice, type InodeRecord, inodeSeed } from "./inode-record.ts";
import { pathOf } from "./numbering.ts";
import type { Extent, FileTree, FolderInode, Inode, SymlinkInode } from "./tree.ts";
import { placeBlock, placeBlocks, type SealedVolume } from "./volume.ts";
import { packXattrs, sealXattrBlock, storedXattrs } from "./xattrs.ts";

/** e2fsck can save what it finds without having to allocate blocks first. */
const lostFoundBlocks = 4;

/**
 * Writes all that an inode has outside of the inode table (names, a long target, extended attributes, the extent
 * tree), and returns what is to stand in the table. Throws `image-invalid` where ext4 cannot hold it.
 */
export async function placeInode(volume: SealedVolume, tree: FileTree, inode: Inode): Promise<InodeRecord> {
  const body = await placeBody(volume, inode);
  return recordOf(inode, body, await placeXattrs(volume, tree, inode));
}

/**
 * The same for an inode of which `standsInTable` is true, which takes no waiting. It is in parts in `room`, which must be
 * zero, so that an image's many files leave little to be collected.
 */
export function recordInTable(inode: Inode, room: Buffer): InodeRecord {
  const { permissions } = inode.attributes;
  return recordOf(inode, bodyInTable(inode, room), { permissions, inline: undefined, block: 0 });
}

function recordOf(inode: Inode, body: Body, xattrs: PlacedXattrs): InodeRecord {
  const { kind, attributes } = inode;
  return {
    number: inode.number,
    mode: modeBits[kind] | xattrs.permissions,
    uid: attributes.uid,
    gid: attributes.gid,
    sizeBytes: body.sizeBytes,
    links: linkCount(inode),
    modified: attributes.modified,
    blocks: body.blocks + (xattrs.block === 0 ? 0 : 1),
    flags: body.flags,
    body: body.bytes,
    xattrBlock: xattrs.block,
    inlineXattrs: xattrs.inline,
  };
}

/** Whether `placeInode` would write nothing for this inode: then `recordInTable` will do. */
export function standsInTable(inode: Inode): boolean {
  if (inode.attributes.xattrs.size > 0) return false;
  switch (inode.kind) {
    case "folder":
      return false;
    case "file":
      return areInline(inode.extents);
    case "symlink":
      return inode.target.length < fastSymlinkBytes;
    default:
      return true;
  }
}

interface Body {
  readonly sizeBytes: number;
  readonly blocks: number;
  readonly flags: number;
  readonly bytes: Buffer;
}

function bodyInTable(inode: Inode, room: Buffer): Body {
  switch (inode.kind) {
    case "file": {
      const { sizeBytes, extents } = inode;
      return {
        sizeBytes,
        blocks: blocksOf(extents),
        flags: inodeFlags.extents,
        bytes: inlineExtents(extents, room),
      };
    }
    case "symlink": {
      const target = toBytes(inode.target);
      target.copy(room);
      return { sizeBytes: target.length, blocks: 0, flags: 0, bytes: room };
    }
    case "folder":
      throw new EmberError("internal", "a folder has blocks of its own");
    default:
      return { sizeBytes: 0, blocks: 0, flags: 0, bytes: encodeDevice(inode.major, inode.minor, room) };
  }
}

async function placeBody(volume: SealedVolume, inode: Inode): Promise<Body> {
  switch (inode.kind) {
    case "file":
      return await extentBody(volume, inode.number, inode.sizeBytes, inode.extents);
    case "symlink":
      return await placeSymlink(volume, inode);
    case "folder": {
      const { blocks, indexed } = folderContent(volume, inode);
      const extents = await placeBlocks(volume, blocks);
      blocks.forEach(free);
      const body = await extentBody(volume, inode.number, blocks.length * blockBytes, extents);
      return { ...body, flags: body.flags | (indexed ? inodeFlags.index : 0) };
    }
    default:
      return bodyInTable(inode, Buffer.alloc(bodyBytes));
  }
}

/** The body of an inode whose content lies in these extents. */
export async function extentBody(
  volume: SealedVolume,
  number: number,
  sizeBytes: number,
  extents: readonly Extent[],
): Promise<Body> {
  const blocks = blocksOf(extents);
  const flags = inodeFlags.extents;
  if (areInline(extents))
    return { sizeBytes, blocks, flags, bytes: inlineExtents(extents, Buffer.alloc(bodyBytes)) };
  const seed = inodeSeed(volume.seed, number);
  const tree = await buildExtentTree(extents, seed, (content) => placeBlock(volume, content));
  return { sizeBytes, blocks: blocks + tree.blocks, flags, bytes: tree.root };
}

const blocksOf = (extents: readonly Extent[]): number =>
  extents.reduce((sum, extent) => sum + extent.length, 0);

async function placeSymlink(volume: SealedVolume, inode: SymlinkInode): Promise<Body> {
  const target = toBytes(inode.target);
  if (target.length < fastSymlinkBytes) return bodyInTable(inode, Buffer.alloc(bodyBytes));
  const block = Buffer.alloc(blockBytes);
  target.copy(block);
  return await extentBody(volume, inode.number, target.length, await placeBlocks(volume, [block]));
}

function folderContent(volume: SealedVolume, folder: FolderInode): DirectoryContent {
  const entries: DirectoryEntry[] = [];
  for (const [name, { inode }] of folder.children)
    entries.push({ name, inode: inode.number, type: inode.kind });
  const seed = inodeSeed(volume.seed, folder.number);
  const parent = folder.parent?.number ?? rootInode;
  const content = buildDirectory(folder.number, parent, entries, { seed, hashSeed: volume.hashSeed });
  if (folder.number !== lostFoundInode || content.indexed) return content;
  const room = Array.from({ length: lostFoundBlocks - 1 }, () => emptyDirectoryBlock(seed));
  return { blocks: [...content.blocks, ...room], indexed: false };
}

interface PlacedXattrs {
  readonly permissions: number;
  readonly inline: Buffer | undefined;
  /** 0 for none. */
  readonly block: number;
}

async function placeXattrs(volume: SealedVolume, tree: FileTree, inode: Inode): Promise<PlacedXattrs> {
  if (inode.attributes.xattrs.size === 0) {
    return { permissions: inode.attributes.permissions, inline: undefined, block: 0 };
  }
  const path = () => pathOf(tree, inode);
  const { stored, permissions } = storedXattrs(inode.attributes, inode.kind, path);
  const { inline, block } = packXattrs(stored, path);
  if (block === undefined) return { permissions, inline, block: 0 };
  return {
    permissions,
    inline,
    block: await placeBlock(volume, block, (at) => sealXattrBlock(block, at, volume.seed)),
  };
}

/** A folder's own two names and its subfolders' ".."; 1 stands for more than can be counted. */
function linkCount(inode: Inode): number {
  if (inode.kind !== "folder") return inode.links;
  let links = 2;
  for (const child of inode.children.values()) if (child.inode.kind === "folder") links++;
  return links > maxLinks ? 1 : links;
}
