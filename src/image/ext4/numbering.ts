import { bytesOf } from "../tar/bytes.ts";
import { invalidArchive } from "../tar/invalid.ts";
import { firstFreeInode, lostFoundInode, rootInode } from "./format.ts";
import { type FolderInode, type Inode, plainAttributes } from "./inode.ts";
import type { FileTree } from "./tree.ts";

const lostFound = bytesOf("lost+found");

/** Makes sure that there is a /lost+found, which every ext4 must have. Throws `image-invalid` when something else is. */
export function ensureLostFound(tree: FileTree, seconds: number): FolderInode {
  const there = tree.find(tree.root, lostFound)?.inode;
  if (there === undefined) {
    return tree.addFolder(tree.root, lostFound, { ...plainAttributes(seconds), permissions: 0o700 }, 0);
  }
  if (there.kind !== "folder")
    throw invalidArchive("'/lost+found' is no folder, which an ext4 disk needs it to be");
  return there;
}

/**
 * Gives every inode its number: those of one folder one behind the other, in the order in which the names came.
 * Returns the inodes in the order of their numbers, root and lost+found first.
 */
export function numberInodes(tree: FileTree, lostFoundFolder: FolderInode): Uint32Array {
  tree.setNumber(tree.root.id, rootInode);
  tree.setNumber(lostFoundFolder.id, lostFoundInode);
  const inodes = new Uint32Array(tree.inodes);
  inodes.set([tree.root.id, lostFoundFolder.id]);
  let count = 2;
  let next = firstFreeInode;
  const folders: FolderInode[] = [tree.root];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const inode of tree.inodesIn(folder)) {
      if (tree.isFolder(inode)) folders.push(tree.folder(inode));
      if (tree.numberOf(inode) !== 0) continue; // another name of it came before
      tree.setNumber(inode, next++);
      inodes[count++] = inode;
    }
  }
  return inodes.subarray(0, count);
}

/** A name of an inode, for an error message; slow. */
export function pathOf(tree: FileTree, wanted: Inode): string {
  const open: { readonly folder: FolderInode; readonly path: string }[] = [{ folder: tree.root, path: "" }];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const name of tree.namesIn(at.folder)) {
      const path = `${at.path}/${tree.nameOf(name)}`;
      if (name.inode.id === wanted.id) return path;
      if (name.inode.kind === "folder") open.push({ folder: name.inode, path });
    }
  }
  return "/";
}
