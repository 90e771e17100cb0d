import { buildDirectory, type DirectoryContent, emptyDirectoryBlock } from "./directory.ts";
import { lostFoundInode, rootInode } from "./format.ts";
import type { Extent, FolderInode } from "./inode.ts";
import { inodeSeed } from "./inode-record.ts";
import { giveBlockBack } from "./spare-blocks.ts";
import type { FileTree } from "./tree.ts";
import { extentsOf, type SealedVolume, writeBlocks } from "./volume.ts";

/** e2fsck can save what it finds without having to allocate blocks first. */
const lostFoundBlocks = 4;

/** Where a folder's names stand. */
export interface PlacedFolder {
  readonly extents: readonly Extent[];
  /** Whether they are sorted by hash, with an index. */
  readonly indexed: boolean;
}

/** Writes a folder's names where there is room. `waiting` is there only when there is something to wait for. */
export function writeFolder(
  volume: SealedVolume,
  tree: FileTree,
  folder: FolderInode,
): { readonly folder: PlacedFolder; readonly waiting: Promise<void> | undefined } {
  const { blocks, indexed } = folderContent(volume, tree, folder);
  const runs = volume.allocator.allocate(blocks.length);
  const written = writeBlocks(volume, runs, blocks);
  const giveBack = (): void => blocks.forEach(giveBlockBack);
  if (written === undefined) giveBack();
  return { folder: { extents: extentsOf(runs), indexed }, waiting: written?.then(giveBack) };
}

function folderContent(volume: SealedVolume, tree: FileTree, folder: FolderInode): DirectoryContent {
  const seed = inodeSeed(volume.seed, folder.number);
  const parent = folder.parent?.number ?? rootInode;
  const content = buildDirectory(folder.number, parent, tree.entriesOf(folder), {
    seed,
    hashSeed: volume.hashSeed,
  });
  if (folder.number !== lostFoundInode || content.indexed) return content;
  const room = Array.from({ length: lostFoundBlocks - 1 }, () => emptyDirectoryBlock(seed));
  return { blocks: [...content.blocks, ...room], indexed: false };
}
