import { type ByteString, fromBytes, toBytes } from "../tar/bytes.ts";
import type { Moment } from "../tar/numbers.ts";

export interface Attributes {
  /** The lowest 12 bits of the mode. */
  readonly permissions: number;
  readonly uid: number;
  readonly gid: number;
  readonly modified: Moment;
  readonly xattrs: ReadonlyMap<ByteString, Buffer>;
}

/** A run of a file's blocks: where it stands in the file, where on the disk, how long; all in blocks. */
export interface Extent {
  readonly logical: number;
  readonly physical: number;
  readonly length: number;
}

interface InodeBase {
  attributes: Attributes;
  /** How many names lead to it. */
  links: number;
  /** Given when the disk is finished; 0 until then. */
  number: number;
}

export interface FolderInode extends InodeBase {
  readonly kind: "folder";
  readonly children: Map<ByteString, Name>;
  /** The root has none. */
  readonly parent: FolderInode | undefined;
  /** The last layer that described it itself. */
  listedIn: number;
  /** The last layer that described it, or gave it anything. */
  touchedIn: number;
  /** The last layer that hid all that lower layers had put into it. */
  clearedIn: number;
}

/** Where a file's content stands: see `extentsOfFile`. */
export interface FileContent {
  readonly sizeBytes: number;
  /** The one run of blocks that nearly every file is: an image has a hundred thousand, and memory for as few objects each as can be. */
  readonly start: number;
  readonly blocks: number;
  /** Instead, where it takes more to say. */
  readonly extents: readonly Extent[] | undefined;
}

export interface FileInode extends InodeBase, FileContent {
  readonly kind: "file";
}

export interface SymlinkInode extends InodeBase {
  readonly kind: "symlink";
  readonly target: ByteString;
}

export interface SpecialInode extends InodeBase {
  readonly kind: "character-device" | "block-device" | "fifo" | "socket";
  readonly major: number;
  readonly minor: number;
}

export type Inode = FolderInode | FileInode | SymlinkInode | SpecialInode;

/** A directory entry. */
export interface Name {
  readonly inode: Inode;
  /** Which of the layers laid over each other gave this name last. */
  layer: number;
}

const noXattrs: ReadonlyMap<ByteString, Buffer> = new Map();

/** Of extents in the order of the file. */
export function fileContent(sizeBytes: number, extents: readonly Extent[]): FileContent {
  const [first = { logical: 0, physical: 0, length: 0 }] = extents;
  const { physical: start, length: blocks } = first;
  const isOneRun = extents.length <= 1 && first.logical === 0;
  return { sizeBytes, start, blocks, extents: isOneRun ? undefined : extents };
}

/** In the order of the file. */
export function extentsOfFile({ start, blocks, extents }: FileContent): readonly Extent[] {
  if (extents !== undefined) return extents;
  return blocks === 0 ? [] : [{ logical: 0, physical: start, length: blocks }];
}

/** Attributes of folders that nothing describes: 0755, root, the given time. */
export function plainAttributes(seconds: number): Attributes {
  return { permissions: 0o755, uid: 0, gid: 0, modified: { seconds, nanoseconds: 0 }, xattrs: noXattrs };
}

/** The tree of names and inodes of a file system to be, in memory. Contents of files are on the disk already. */
export class FileTree {
  readonly root: FolderInode;
  readonly #onRelease: (extents: readonly Extent[]) => void;
  #names = 0;
  #pathChanges = 0;

  constructor(rootAttributes: Attributes, onRelease: (extents: readonly Extent[]) => void) {
    this.root = newFolder(rootAttributes, undefined);
    this.root.links = 1;
    this.#onRelease = onRelease;
  }

  /** How many names there are. */
  get names(): number {
    return this.#names;
  }

  /** Grows whenever a path that led to a folder may lead elsewhere, or nowhere. */
  get pathChanges(): number {
    return this.#pathChanges;
  }

  /** Gives an inode a name. Whatever had that name before is removed, with all below it. */
  add(folder: FolderInode, name: ByteString, inode: Inode, layer: number): Name {
    inode.links++; // first, so that it survives when it is what is replaced
    this.remove(folder, name);
    const entry = { inode, layer };
    folder.children.set(compact(name), entry);
    this.#names++;
    this.touch(folder, layer);
    return entry;
  }

  /** Marks a folder, and those above it, as given something by a layer. */
  touch(folder: FolderInode, layer: number): void {
    for (
      let at: FolderInode | undefined = folder;
      at !== undefined && at.touchedIn !== layer;
      at = at.parent
    ) {
      at.touchedIn = layer;
    }
  }

  addFolder(folder: FolderInode, name: ByteString, attributes: Attributes, layer: number): FolderInode {
    const made = newFolder(attributes, folder);
    made.touchedIn = layer;
    this.add(folder, name, made, layer);
    return made;
  }

  /** Removes a name, and all below it. Inodes that no name leads to any more give their blocks back. Idempotent. */
  remove(folder: FolderInode, name: ByteString): void {
    const removed = folder.children.get(name);
    if (removed === undefined) return;
    folder.children.delete(name);
    if (removed.inode.kind === "folder" || removed.inode.kind === "symlink") this.#pathChanges++;
    const doomed: Inode[] = [removed.inode]; // a stack of its own: the tree may be deeper than the call stack
    for (let inode = doomed.pop(); inode !== undefined; inode = doomed.pop()) {
      this.#names--;
      inode.links--;
      if (inode.kind === "folder") for (const child of inode.children.values()) doomed.push(child.inode);
      else if (inode.kind === "file" && inode.links === 0) this.#onRelease(extentsOfFile(inode));
    }
  }
}

/** A part of a string keeps the whole of it in memory. */
function compact(name: ByteString): ByteString {
  return fromBytes(toBytes(name));
}

function newFolder(attributes: Attributes, parent: FolderInode | undefined): FolderInode {
  return {
    kind: "folder",
    attributes,
    links: 0,
    number: 0,
    children: new Map(),
    parent,
    listedIn: -1,
    touchedIn: -1,
    clearedIn: -1,
  };
}
