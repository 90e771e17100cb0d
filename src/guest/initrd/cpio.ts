/**
 * Archives in cpio's "newc" form, as the kernel unpacks them into the initial root. The same entries make the same
 * bytes: no time, owner or inode number of this host gets in.
 */

interface EntryBase {
  /** Relative, without "." or "..": "lib/modules/ember/virtio.ko". Parent folders come before what is in them. */
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
}

export type CpioEntry =
  | (EntryBase & { readonly type: "file"; readonly content: Uint8Array })
  | (EntryBase & { readonly type: "folder" })
  | (EntryBase & { readonly type: "character-device"; readonly major: number; readonly minor: number });

const typeBits = { file: 0o100000, folder: 0o040000, "character-device": 0o020000 } as const;

/** The kernel takes archives that follow each other only on this boundary; it also lets files be read in blocks. */
const alignment = 512;

/** The whole archive, its length a multiple of 512. */
export function writeCpio(entries: readonly CpioEntry[]): Buffer {
  const parts = entries.flatMap((entry, index) => writeEntry(entry, index + 1));
  parts.push(...record({ ino: 0, mode: 0, links: 1, size: 0, major: 0, minor: 0 }, "TRAILER!!!"));
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  parts.push(Buffer.alloc(padding(size, alignment)));
  return Buffer.concat(parts);
}

/** Zero bytes that the kernel skips, so that `size` bytes before them end on the boundary that an archive needs. */
export function archivePadding(size: number): Buffer {
  return Buffer.alloc(padding(size, alignment));
}

function writeEntry(entry: CpioEntry, ino: number): Buffer[] {
  const content = entry.type === "file" ? entry.content : new Uint8Array();
  const device = entry.type === "character-device" ? entry : { major: 0, minor: 0 };
  const fields = {
    ino,
    mode: typeBits[entry.type] | (entry.mode & 0o7777),
    links: entry.type === "folder" ? 2 : 1,
    size: content.length,
    major: device.major,
    minor: device.minor,
  };
  return [
    ...record(fields, entry.path),
    Buffer.from(content.buffer, content.byteOffset, content.length),
    Buffer.alloc(padding(content.length, 4)),
  ];
}

interface RecordFields {
  readonly ino: number;
  readonly mode: number;
  readonly links: number;
  readonly size: number;
  readonly major: number;
  readonly minor: number;
}

/** Header and name, padded to four bytes together (cpio(5), "New ASCII Format"). */
function record(fields: RecordFields, name: string): Buffer[] {
  const nameBytes = Buffer.from(`${name}\0`);
  const numbers = [
    fields.ino,
    fields.mode,
    0, // uid
    0, // gid
    fields.links,
    0, // mtime
    fields.size,
    0, // device that holds it: major
    0, // minor
    fields.major,
    fields.minor,
    nameBytes.length,
    0, // checksum, not used in this form
  ];
  const header = Buffer.from(
    `070701${numbers.map((number) => number.toString(16).padStart(8, "0")).join("")}`,
    "latin1",
  );
  return [header, nameBytes, Buffer.alloc(padding(header.length + nameBytes.length, 4))];
}

function padding(size: number, boundary: number): number {
  return (boundary - (size % boundary)) % boundary;
}
