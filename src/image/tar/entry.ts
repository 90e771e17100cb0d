import type { ByteString } from "./bytes.ts";
import type { Moment } from "./numbers.ts";

export type TarEntryKind =
  | "file"
  | "hard-link"
  | "symlink"
  | "folder"
  | "character-device"
  | "block-device"
  | "fifo";

/** A part of a sparse file that holds data; everything between the parts is a hole. */
export interface SparseSegment {
  readonly offset: number;
  readonly length: number;
}

/** Takes a part of a file's content. The chunk is valid until the sink returns, or its promise is fulfilled. */
export type BodySink = (offset: number, chunk: Buffer) => void | Promise<void>;

export interface TarEntry {
  /** As it stands in the archive, hostile until checked: may be absolute, may hold `..`. Never empty, without NUL. */
  readonly path: ByteString;
  readonly kind: TarEntryKind;
  /** The lowest 12 bits of the mode. */
  readonly permissions: number;
  readonly uid: number;
  readonly gid: number;
  readonly modified: Moment;
  /** Where a hard link or symlink leads; empty for all others. Hostile until checked, without NUL. */
  readonly linkTarget: ByteString;
  /** Length of the file, holes included; 0 for all that is no file. */
  readonly sizeBytes: number;
  /** Where the data lies, ascending and without overlap; undefined for a file without holes. */
  readonly sparse: readonly SparseSegment[] | undefined;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly xattrs: ReadonlyMap<ByteString, Buffer>;
}
