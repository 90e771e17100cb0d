import { EmberError } from "../../errors/ember-error.ts";
import type { InodeKind } from "./format.ts";
import type { Attributes, Extent, FileContent, FolderInode, Inode, InodeId, NewInode } from "./inode.ts";
import { Records } from "./records.ts";
import { Texts } from "./texts.ts";

const kinds: readonly InodeKind[] = [
  "file",
  "folder",
  "symlink",
  "character-device",
  "block-device",
  "fifo",
  "socket",
];

/**
 * `a` and `b` are: a file's first block and how many it has; where a symlink's target is; a device's number. A
 * folder is an object: there are fewer, and layers ask about them all the time.
 */
const field = { kind: 0, links: 1, number: 2, a: 3, b: 4, sizeLow: 5, sizeHigh: 6, attributes: 7 } as const;

/** All inodes of a tree. */
export class InodeTable {
  readonly #records = new Records();
  readonly #targets = new Texts();
  /** Those of inodes that come one after the other are mostly the same. */
  readonly #attributes: Attributes[] = [];
  readonly #folders = new Map<InodeId, FolderInode>();
  /** Of files that are not one run. */
  readonly #extents = new Map<InodeId, readonly Extent[]>();

  constructor() {
    this.#records.add(); // numbers are from 1 on
  }

  add(inode: NewInode): InodeId {
    switch (inode.kind) {
      case "file":
        return this.#addFile(inode);
      case "symlink":
        return this.#record(inode.kind, inode.attributes, this.#targets.put(inode.target), 0);
      default:
        return this.#record(inode.kind, inode.attributes, inode.major, inode.minor);
    }
  }

  addFolder(attributes: Attributes, parent: FolderInode | undefined): FolderInode {
    const id = this.#record("folder", undefined, 0, 0);
    const folder: FolderInode = {
      ...{ kind: "folder", id, attributes, links: 0, number: 0, parent, first: 0, last: 0 },
      ...{ listedIn: -1, touchedIn: -1, clearedIn: -1, start: 0, blocks: 0, indexed: false },
    };
    this.#folders.set(id, folder);
    return folder;
  }

  /** How many there were. */
  get count(): number {
    return this.#records.count - 1;
  }

  kind(id: InodeId): InodeKind {
    return kinds[this.#records.get(id, field.kind)] ?? "file";
  }

  number(id: InodeId): number {
    return this.#records.get(id, field.number);
  }

  setNumber(id: InodeId, number: number): void {
    this.#records.set(id, field.number, number);
    const folder = this.#folders.get(id);
    if (folder !== undefined) folder.number = number;
  }

  /** Counts one name more or less; returns how many there are then. */
  addLinks(id: InodeId, more: 1 | -1): number {
    const links = this.#records.get(id, field.links) + more;
    this.#records.set(id, field.links, links);
    const folder = this.#folders.get(id);
    if (folder !== undefined) folder.links = links;
    return links;
  }

  /** Forgets what of an inode without a name takes room. */
  drop(id: InodeId): void {
    this.#folders.delete(id);
    this.#extents.delete(id);
  }

  get(id: InodeId): Inode {
    const records = this.#records;
    const kind = this.kind(id);
    const attributes = this.#attributes[records.get(id, field.attributes)];
    if (kind === "folder" || attributes === undefined) return this.folder(id);
    const [a, b] = [records.get(id, field.a), records.get(id, field.b)];
    const base = {
      id,
      attributes,
      links: records.get(id, field.links),
      number: records.get(id, field.number),
    };
    switch (kind) {
      case "file": {
        const sizeBytes = records.get(id, field.sizeHigh) * 2 ** 32 + records.get(id, field.sizeLow);
        return { ...base, kind, sizeBytes, start: a, blocks: b, extents: this.#extents.get(id) };
      }
      case "symlink":
        return { ...base, kind, target: this.#targets.get(a) };
      default:
        return { ...base, kind, major: a, minor: b };
    }
  }

  /** Throws `internal` for an inode that is none, or no more. */
  folder(id: InodeId): FolderInode {
    const folder = this.#folders.get(id);
    if (folder === undefined) throw new EmberError("internal", `inode ${id} is no folder`);
    return folder;
  }

  #addFile(file: FileContent & { readonly attributes: Attributes }): InodeId {
    const id = this.#record("file", file.attributes, file.start, file.blocks);
    this.#records.set(id, field.sizeLow, file.sizeBytes % 2 ** 32);
    this.#records.set(id, field.sizeHigh, Math.floor(file.sizeBytes / 2 ** 32));
    if (file.extents !== undefined) this.#extents.set(id, file.extents);
    return id;
  }

  #record(kind: InodeKind, attributes: Attributes | undefined, a: number, b: number): InodeId {
    const id = this.#records.add();
    this.#records.set(id, field.kind, kinds.indexOf(kind));
    this.#records.set(id, field.a, a);
    this.#records.set(id, field.b, b);
    if (attributes === undefined) return id;
    if (this.#attributes.at(-1) !== attributes) this.#attributes.push(attributes);
    this.#records.set(id, field.attributes, this.#attributes.length - 1);
    return id;
  }
}
