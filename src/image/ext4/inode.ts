import type { ByteString } from "../tar/bytes.ts";
import type { Moment } from "../tar/numbers.ts";
import type { NameList } from "./name-table.ts";

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

/** Number of an inode in its tree, from 1 on; not the one that it has on the disk. */
export type InodeId = number;

/** What an inode is at the time of asking; of a folder, what it is. */
interface InodeBase {
  readonly id: InodeId;
  readonly attributes: Attributes;
  /** How many names lead to it. */
  readonly links: number;
  /** Given when the disk is finished; 0 until then. */
  readonly number: number;
}

export interface FolderInode extends InodeBase, NameList {
  readonly kind: "folder";
  attributes: Attributes;
  links: number;
  number: number;
  /** The root has none. */
  readonly parent: FolderInode | undefined;
  /** The last layer that described it itself. */
  listedIn: number;
  /** The last layer that described it, or gave it anything. */
  touchedIn: number;
  /** The last layer that hid all that lower layers had put into it. */
  clearedIn: number;
  /** Where its names are written, when they are one run of blocks and nothing more is to be said. */
  start: number;
  blocks: number;
  /** Whether they are sorted by hash, with an index. */
  indexed: boolean;
}

/** Where a file's content stands: see `extentsOfFile`. */
export interface FileContent {
  readonly sizeBytes: number;
  /** The one run of blocks that nearly every file is: an image has a hundred thousand, and little memory for each. */
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

type Given = "id" | "links" | "number";
/** What a tree is told of an inode that is no folder. */
export type NewInode = Omit<FileInode, Given> | Omit<SymlinkInode, Given> | Omit<SpecialInode, Given>;

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

const noXattrs: ReadonlyMap<ByteString, Buffer> = new Map();

/** Attributes of folders that nothing describes: 0755, root, the given time. */
export function plainAttributes(seconds: number): Attributes {
  return { permissions: 0o755, uid: 0, gid: 0, modified: { seconds, nanoseconds: 0 }, xattrs: noXattrs };
}
