import { maxFileBytes, maxLinks } from "../ext4/format.ts";
import type { Attributes, FileContent, FolderInode, Inode, NewInode } from "../ext4/inode.ts";
import type { Ext4Writer } from "../ext4/writer.ts";
import { checkXattrs } from "../ext4/xattrs.ts";
import { type ByteString, shown } from "../tar/bytes.ts";
import type { TarEntry } from "../tar/entry.ts";
import { invalidArchive } from "../tar/invalid.ts";
import type { TarReader } from "../tar/reader.ts";
import { SharedAttributes } from "./attributes.ts";
import type { LayerBudget } from "./limits.ts";
import { checkSymlinkTarget, FolderFinder, splitPath } from "./paths.ts";
import { hideContent, hideName, markerOf } from "./whiteouts.ts";

/** What a name costs in memory beside its own bytes, roughly. */
const nameOverheadBytes = 64;
const segmentBytes = 64;

/**
 * Lays layers over each other in a disk's tree, by the rules of the OCI image specification (layer.md). Everything
 * in a layer is hostile until checked.
 */
export class LayerApplier {
  readonly #writer: Ext4Writer;
  readonly #budget: LayerBudget;
  readonly #seconds: number;
  readonly #finder: FolderFinder;
  readonly #shared = new SharedAttributes();

  /** `seconds`: the time of folders that nothing describes. */
  constructor(writer: Ext4Writer, budget: LayerBudget, seconds: number) {
    this.#writer = writer;
    this.#budget = budget;
    this.#seconds = seconds;
    this.#finder = new FolderFinder(writer.tree, seconds);
  }

  /**
   * Applies the entry that the reader has just returned. `layer` grows from layer to layer. A promise comes back only when there
   * is something to wait for.
   */
  apply(entry: TarEntry, reader: TarReader, layer: number): void | Promise<void> {
    this.#budget.addEntry(treeBytesOf(entry), this.#writer.tree.names);
    const parts = splitPath(entry.path);
    const name = parts.at(-1);
    if (name === undefined) {
      return this.#describeRoot(entry, layer);
    }
    const marker = markerOf(parts);
    if (marker.kind === "none") return this.#put(entry, reader, parts, name, layer);
    const folder = marker.kind === "ignored" ? undefined : this.#finder.find(parts.slice(0, -1));
    if (folder === undefined) return; // nothing is there that could be hidden
    if (marker.kind === "whiteout") hideName(this.#writer.tree, folder, marker.name, layer, this.#seconds);
    else hideContent(this.#writer.tree, folder, layer, this.#seconds);
  }

  #describeRoot(entry: TarEntry, layer: number): void {
    if (entry.kind !== "folder") throw invalidArchive(`the root ${shown(entry.path)} is no folder`);
    const { root } = this.#writer.tree;
    root.attributes = this.#attributesOf(entry, "folder");
    root.listedIn = layer;
  }

  #put(
    entry: TarEntry,
    reader: TarReader,
    parts: readonly ByteString[],
    name: ByteString,
    layer: number,
  ): void | Promise<void> {
    const { tree } = this.#writer;
    const folder = this.#finder.make(parts.slice(0, -1), layer);
    switch (entry.kind) {
      case "folder":
        this.#putFolder(entry, folder, name, layer);
        break;
      case "file": {
        const attributes = this.#attributesOf(entry, "file");
        const add = (content: FileContent): void =>
          tree.add(folder, name, { kind: "file", attributes, ...content }, layer);
        const content = this.#writeContent(entry, reader);
        return content instanceof Promise ? content.then(add) : add(content);
      }
      case "symlink": {
        checkSymlinkTarget(entry.path, entry.linkTarget);
        const attributes = this.#attributesOf(entry, "symlink");
        tree.add(folder, name, { kind: "symlink", attributes, target: entry.linkTarget }, layer);
        break;
      }
      case "hard-link":
        this.#putHardLink(entry, folder, name, layer);
        break;
      default:
        tree.add(folder, name, this.#specialInode(entry, entry.kind), layer);
    }
  }

  /** A folder over a folder keeps what is in it. */
  #putFolder(entry: TarEntry, folder: FolderInode, name: ByteString, layer: number): void {
    const { tree } = this.#writer;
    const attributes = this.#attributesOf(entry, "folder");
    const there = tree.find(folder, name);
    if (there?.inode.kind === "folder") {
      there.inode.attributes = attributes;
      there.inode.listedIn = layer;
      tree.touch(there.inode, layer);
      tree.setLayer(there, layer);
    } else tree.addFolder(folder, name, attributes, layer).listedIn = layer;
  }

  /** A second name for what is there by now, in this layer or one below. Its own attributes say nothing. */
  #putHardLink(entry: TarEntry, folder: FolderInode, name: ByteString, layer: number): void {
    const target = this.#finder.findName(splitPath(entry.linkTarget));
    const link = `the hard link ${shown(entry.path)}`;
    if (target === undefined)
      throw invalidArchive(`${link} leads to ${shown(entry.linkTarget)}, which is not there`);
    const { inode } = target;
    if (inode.kind === "folder") throw invalidArchive(`${link} leads to a folder`);
    const { tree } = this.#writer;
    if (tree.find(folder, name)?.inode.id !== inode.id && inode.links >= maxLinks) {
      throw invalidArchive(`${link} is one more than the ${maxLinks} names that ext4 lets a file have`);
    }
    tree.link(folder, name, inode.id, layer);
  }

  #attributesOf(entry: TarEntry, kind: Inode["kind"]): Attributes {
    return this.#shared.share(attributesOf(entry, kind));
  }

  #specialInode(entry: TarEntry, kind: "character-device" | "block-device" | "fifo"): NewInode {
    const { deviceMajor: major, deviceMinor: minor } = entry;
    if (major >= 2 ** 12 || minor >= 2 ** 20) {
      throw invalidArchive(`${shown(entry.path)} has the impossible device number ${major}:${minor}`);
    }
    return { kind, attributes: this.#attributesOf(entry, kind), major, minor };
  }

  #writeContent(entry: TarEntry, reader: TarReader): ReturnType<Ext4Writer["writeContent"]> {
    if (entry.sizeBytes > maxFileBytes)
      throw invalidArchive(`${shown(entry.path)} is larger than a file can be`);
    return this.#writer.writeContent(entry, (sink) => reader.readBody(sink));
  }
}

function attributesOf(entry: TarEntry, kind: Inode["kind"]): Attributes {
  // The highest number is Linux' own mark for "no such user".
  for (const id of [entry.uid, entry.gid]) {
    if (id >= 2 ** 32 - 1)
      throw invalidArchive(`${shown(entry.path)} belongs to the impossible user or group ${id}`);
  }
  const { uid, gid, modified, xattrs } = entry;
  const attributes = {
    permissions: kind === "symlink" ? 0o777 : entry.permissions,
    uid,
    gid,
    modified,
    xattrs,
  };
  checkXattrs(attributes, kind, entry.path);
  return attributes;
}

function treeBytesOf(entry: TarEntry): number {
  let bytes = nameOverheadBytes + entry.path.length + entry.linkTarget.length;
  for (const [name, value] of entry.xattrs) bytes += nameOverheadBytes + name.length + value.length;
  return bytes + (entry.sparse?.length ?? 0) * segmentBytes;
}
