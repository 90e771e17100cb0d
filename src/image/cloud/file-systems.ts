import { isOtherRoot, type RootFileSystem } from "../../types/root.ts";
import type { BlockReader } from "../disk/block-reader.ts";

/** What a partition begins with, as blkid tells it; of what is no file system, what keeps one. */
export interface Signature {
  /** "ext4" stands for ext2 and ext3 as well: the guest mounts all three by one driver. */
  readonly kind: string;
  /** The label that is stored in it, "" without one; undefined where it is not looked at. */
  readonly label?: string | undefined;
  /** Why a root on it cannot be booted, with what to do; undefined where it can. */
  readonly refusal?: { readonly why: string; readonly remedy: string } | undefined;
}

interface Mark {
  readonly kind: string;
  readonly at: number;
  readonly bytes: string;
  readonly label?: (start: Buffer) => string;
  readonly refusal?: Signature["refusal"];
}

/** What to do with a root that guests cannot boot from. */
export const asTarball =
  "copy its root file system out and import that: virt-tar-out -a IMAGE / root.tar, then ember image import root.tar";
const onAnotherFileSystem = { why: "guests have no driver for it", remedy: asTarball };

const text = (start: Buffer, at: number, end: number): string =>
  start.toString("utf8", at, end).replace(/\0.*$/s, "");

const marks: readonly Mark[] = [
  { kind: "LUKS", at: 0, bytes: "LUKS\xba\xbe", refusal: { why: "it is encrypted", remedy: asTarball } },
  {
    kind: "LVM",
    at: 536,
    bytes: "LVM2 001",
    refusal: { why: "its volumes are not assembled", remedy: asTarball },
  },
  { kind: "ext4", at: 1080, bytes: "\x53\xef", label: (start) => text(start, 1144, 1160) },
  {
    kind: "xfs",
    at: 0,
    bytes: "XFSB",
    label: (start) => text(start, 108, 120),
  },
  {
    kind: "btrfs",
    at: 65_600,
    bytes: "_BHRfS_M",
    label: (start) => text(start, 65_835, 66_091),
  },
  { kind: "f2fs", at: 1024, bytes: "\x10\x20\xf5\xf2", refusal: onAnotherFileSystem },
  { kind: "squashfs", at: 0, bytes: "hsqs", refusal: onAnotherFileSystem },
  { kind: "erofs", at: 1024, bytes: "\xe2\xe1\xf5\xe0", refusal: onAnotherFileSystem },
  { kind: "swap", at: 4086, bytes: "SWAPSPACE2" },
  { kind: "ISO 9660", at: 32_769, bytes: "CD001" },
  { kind: "vfat", at: 82, bytes: "FAT32   " },
  { kind: "vfat", at: 54, bytes: "FAT1" },
  { kind: "ntfs", at: 3, bytes: "NTFS    " },
];

/** More than any of the marks and labels needs. */
const lookedAtBytes = 68_608;

/** What lies on a partition, or on a disk as a whole; undefined for what nothing is known of. */
export async function signatureOf(disk: BlockReader): Promise<Signature | undefined> {
  const start = await startOf(disk);
  for (const { kind, at, bytes, label, refusal } of marks) {
    if (start.toString("latin1", at, at + bytes.length) !== bytes) continue;
    return { kind, label: label?.(start), refusal };
  }
  return undefined;
}

/** The beginning of a disk, filled up with zeros where the disk is shorter. */
export async function startOf(disk: BlockReader): Promise<Buffer> {
  const start = Buffer.alloc(lookedAtBytes);
  (await disk.read(0, Math.min(lookedAtBytes, disk.sizeBytes))).copy(start);
  return start;
}

/** What a guest mounts a root by whose disk begins so. What is not known stays ext4's to refuse. */
export async function rootFileSystemOf(disk: BlockReader): Promise<RootFileSystem> {
  const kind = (await signatureOf(disk))?.kind;
  return isOtherRoot(kind) ? kind : "ext4";
}
