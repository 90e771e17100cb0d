import { maxNameBytes, maxSymlinkBytes } from "../ext4/format.ts";
import { type FolderInode, plainAttributes } from "../ext4/inode.ts";
import type { FileTree, Name } from "../ext4/tree.ts";
import { type ByteString, shown } from "../tar/bytes.ts";
import { invalidArchive } from "../tar/invalid.ts";

/** As many as Linux follows on one path. */
const maxSymlinks = 40;
/** Enough for the folders that lie around the one that an archive is in. */
const mostKnown = 256;
/** Linux' own limit. */
const maxPathBytes = 4096;

/**
 * The components of a name in an archive, from the root on: `./x`, `/x` and `x` are the same. Throws `image-invalid`
 * for `..` and for what is too long to be a path.
 */
export function splitPath(path: ByteString): ByteString[] {
  if (path.length > maxPathBytes) throw invalidArchive(`${shown(path)} is longer than a path can be`);
  const parts = path.split("/");
  if (parts.includes("") || parts.includes(".")) return checked(path, parts.filter(isStep));
  return checked(path, parts);
}

const isStep = (part: ByteString): boolean => part !== "" && part !== ".";

function checked(path: ByteString, parts: ByteString[]): ByteString[] {
  for (const part of parts) {
    if (part === "..") throw invalidArchive(`${shown(path)} leads upwards with '..'`);
    if (part.length > maxNameBytes)
      throw invalidArchive(`${shown(path)} holds a name of more than 255 bytes`);
  }
  return parts;
}

/** Checks where a symlink leads: anywhere it likes, as long as Linux can store it. */
export function checkSymlinkTarget(path: ByteString, target: ByteString): void {
  if (target.length === 0 || target.length > maxSymlinkBytes || target.includes("\0")) {
    throw invalidArchive(`the symlink ${shown(path)} has an impossible target`);
  }
}

/**
 * Finds folders in the tree as a process whose root it is would: symlinks on the way are followed, and never lead out.
 */
export class FolderFinder {
  readonly #tree: FileTree;
  readonly #seconds: number;
  /** Folders by path, as long as `changes` is the tree's. */
  readonly #found = new Map<string, FolderInode>();
  #changes = 0;

  /** `seconds`: the time of folders that nothing describes. */
  constructor(tree: FileTree, seconds: number) {
    this.#tree = tree;
    this.#seconds = seconds;
  }

  /** The folder of that path; missing ones are made in `layer`. Throws `image-invalid` when something else is there. */
  make(parts: readonly ByteString[], layer: number): FolderInode {
    const path = parts.join("/");
    const known = this.#known(path);
    if (known !== undefined) return known;
    const found = this.#walk(parts, layer);
    if (found === undefined) throw invalidArchive(`${shown(path)} is no folder, but something lies in it`);
    this.#remember(path, found);
    return found;
  }

  /** The folder of that path, undefined when there is none. */
  find(parts: readonly ByteString[]): FolderInode | undefined {
    return this.#known(parts.join("/")) ?? this.#walk(parts, undefined);
  }

  /** What has that path, symlinks followed on the way but not at its end. */
  findName(parts: readonly ByteString[]): Name | undefined {
    const name = parts.at(-1);
    const folder = this.find(parts.slice(0, -1));
    return name === undefined || folder === undefined ? undefined : this.#tree.find(folder, name);
  }

  /** Archives list the files of few folders one after the other. */
  #known(path: string): FolderInode | undefined {
    return this.#changes === this.#tree.pathChanges ? this.#found.get(path) : undefined;
  }

  #remember(path: string, folder: FolderInode): void {
    if (this.#changes !== this.#tree.pathChanges || this.#found.size === mostKnown) this.#found.clear();
    this.#changes = this.#tree.pathChanges;
    this.#found.set(path, folder);
  }

  #walk(parts: readonly ByteString[], makeInLayer: number | undefined): FolderInode | undefined {
    const open = parts.toReversed();
    let folder = this.#tree.root;
    let symlinks = 0;
    for (let part = open.pop(); part !== undefined; part = open.pop()) {
      if (part === "..") {
        folder = folder.parent ?? this.#tree.root;
        continue;
      }
      const inode = this.#tree.find(folder, part)?.inode;
      if (inode === undefined) {
        if (makeInLayer === undefined) return undefined;
        if (part.length > maxNameBytes)
          throw invalidArchive(`a symlink leads to the impossible name ${shown(part)}`);
        folder = this.#tree.addFolder(folder, part, plainAttributes(this.#seconds), makeInLayer);
      } else if (inode.kind === "folder") {
        folder = inode;
      } else if (inode.kind === "symlink") {
        if (++symlinks > maxSymlinks)
          throw invalidArchive(`${shown(parts.join("/"))} leads through too many symlinks`);
        if (inode.target.startsWith("/")) folder = this.#tree.root;
        const target = inode.target.split("/").filter(isStep);
        open.push(...target.toReversed());
      } else return undefined;
    }
    return folder;
  }
}
