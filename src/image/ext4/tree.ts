import type { ByteString } from "../tar/bytes.ts";
import type { DirectoryEntry } from "./directory-entry.ts";
import {
  type Attributes,
  type Extent,
  extentsOfFile,
  type FolderInode,
  type Inode,
  type InodeId,
  type NewInode,
} from "./inode.ts";
import { InodeTable } from "./inode-table.ts";
import { type NameId, NameTable } from "./name-table.ts";

/** A directory entry, as it is at the time of asking. */
export interface Name {
  readonly id: NameId;
  readonly inode: Inode;
  /** Which of the layers laid over each other gave this name last. */
  readonly layer: number;
}

/** The tree of names and inodes of a file system to be, in memory. Contents of files are on the disk already. */
export class FileTree {
  readonly root: FolderInode;
  readonly #names = new NameTable();
  readonly #inodes = new InodeTable();
  readonly #onRelease: (extents: readonly Extent[]) => void;
  #pathChanges = 0;

  constructor(rootAttributes: Attributes, onRelease: (extents: readonly Extent[]) => void) {
    this.root = this.#inodes.addFolder(rootAttributes, undefined);
    this.#inodes.addLinks(this.root.id, 1);
    this.#onRelease = onRelease;
  }

  /** How many names there are. */
  get names(): number {
    return this.#names.count;
  }

  /** How many inodes there were, those without a name by now among them. */
  get inodes(): number {
    return this.#inodes.count;
  }

  /** Grows whenever a path that led to a folder may lead elsewhere, or nowhere. */
  get pathChanges(): number {
    return this.#pathChanges;
  }

  find(folder: FolderInode, name: ByteString): Name | undefined {
    const id = this.#names.find(folder, name);
    return id === 0 ? undefined : this.#name(id);
  }

  /** What is in a folder, in the order in which it came. The one at hand may be removed. */
  *namesIn(folder: FolderInode): Generator<Name> {
    for (let id = folder.first; id !== 0; ) {
      const next = this.#names.next(id);
      yield this.#name(id);
      id = next;
    }
  }

  nameOf({ id }: Name): ByteString {
    return this.#names.text(id);
  }

  /** As `namesIn`, of which it is the inodes. */
  *inodesIn(folder: FolderInode): Generator<InodeId> {
    for (let id = folder.first; id !== 0; id = this.#names.next(id)) yield this.#names.inode(id);
  }

  /** What a folder's blocks are to say. */
  entriesOf(folder: FolderInode): DirectoryEntry[] {
    const entries: DirectoryEntry[] = [];
    for (let id = folder.first; id !== 0; id = this.#names.next(id)) {
      const inode = this.#names.inode(id);
      const [number, type] = [this.#inodes.number(inode), this.#inodes.kind(inode)];
      entries.push({ name: this.#names.text(id), inode: number, type });
    }
    return entries;
  }

  inode(id: InodeId): Inode {
    return this.#inodes.get(id);
  }

  folder(id: InodeId): FolderInode {
    return this.#inodes.folder(id);
  }

  isFolder(id: InodeId): boolean {
    return this.#inodes.kind(id) === "folder";
  }

  /** Its number on the disk; 0 before it has one. */
  numberOf(id: InodeId): number {
    return this.#inodes.number(id);
  }

  setNumber(id: InodeId, number: number): void {
    this.#inodes.setNumber(id, number);
  }

  /** Says that `layer` gave a name, again. */
  setLayer({ id }: Name, layer: number): void {
    this.#names.setLayer(id, layer);
  }

  /** Gives a new inode a name. Whatever had that name before is removed, with all below it. */
  add(folder: FolderInode, name: ByteString, inode: NewInode, layer: number): void {
    this.link(folder, name, this.#inodes.add(inode), layer);
  }

  /** The same for a folder. */
  addFolder(folder: FolderInode, name: ByteString, attributes: Attributes, layer: number): FolderInode {
    const made = this.#inodes.addFolder(attributes, folder);
    made.touchedIn = layer;
    this.link(folder, name, made.id, layer);
    return made;
  }

  /** The same for an inode that is there. */
  link(folder: FolderInode, name: ByteString, inode: InodeId, layer: number): void {
    this.#inodes.addLinks(inode, 1); // first, so that it survives when it is what is replaced
    this.remove(folder, name);
    this.#names.add(folder, name, inode, layer);
    this.touch(folder, layer);
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

  /** Removes a name, and all below it. Inodes that no name leads to any more give their blocks back. Idempotent. */
  remove(folder: FolderInode, name: ByteString): void {
    const removed = this.#names.find(folder, name);
    if (removed !== 0) this.#remove(folder, removed);
  }

  #remove(folder: FolderInode, name: NameId): void {
    const inode = this.#take(folder, name);
    const kind = this.#inodes.kind(inode);
    if (kind === "folder" || kind === "symlink") this.#pathChanges++;
    const doomed = [inode]; // a stack of its own: the tree may be deeper than the call stack
    for (let id = doomed.pop(); id !== undefined; id = doomed.pop()) {
      if (this.#inodes.addLinks(id, -1) > 0) continue;
      const gone = this.#inodes.get(id);
      if (gone.kind === "folder") while (gone.first !== 0) doomed.push(this.#take(gone, gone.first));
      else if (gone.kind === "file") this.#onRelease(extentsOfFile(gone));
      this.#inodes.drop(id);
    }
  }

  /** Takes a name out of a folder; returns the inode that it led to. */
  #take(folder: FolderInode, name: NameId): InodeId {
    const inode = this.#names.inode(name);
    this.#names.remove(folder, name);
    return inode;
  }

  #name(id: NameId): Name {
    return { id, inode: this.#inodes.get(this.#names.inode(id)), layer: this.#names.layer(id) };
  }
}
