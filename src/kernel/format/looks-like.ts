/** Beginnings of files that people take for kernels, and what they are. */
const beginnings: readonly { readonly bytes: string; readonly at?: number; readonly what: string }[] = [
  { bytes: "\x7fELF\x01", what: "is a 32-bit program or kernel" },
  { bytes: "\x7fELF", what: "is a program, not a kernel" },
  { bytes: "\x1f\x8b", what: "is a gzip file" },
  { bytes: "\xfd7zXZ\0", what: "is an xz file" },
  { bytes: "\x28\xb5\x2f\xfd", what: "is a zstd file" },
  { bytes: "\x02\x21\x4c\x18", what: "is an lz4 file" },
  { bytes: "\x04\x22\x4d\x18", what: "is an lz4 file" },
  { bytes: "BZh", what: "is a bzip2 file" },
  { bytes: "!<arch>\n", what: "is a Debian package or library" },
  { bytes: "\xed\xab\xee\xdb", what: "is an RPM package" },
  { bytes: "070701", what: "is a cpio archive (an initrd?)" },
  { bytes: "070702", what: "is a cpio archive (an initrd?)" },
  { bytes: "PK\x03\x04", what: "is a zip file" },
  { bytes: "QFI\xfb", what: "is a qcow2 disk" },
  { bytes: "hsqs", what: "is a squashfs file system" },
  { bytes: "MZ", what: "is an EFI or Windows program" },
  { bytes: "\x27\x05\x19\x56", what: "is a U-Boot image" },
  { bytes: "ustar", at: 257, what: "is a tar archive" },
  { bytes: "\x53\xef", at: 1080, what: "is an ext4 file system" },
];

/** What a file that is no kernel looks like, to go after "it": for people, so a guess is good enough. */
export function looksLike(bytes: Buffer): string {
  if (bytes.length === 0) return "is empty";
  for (const { bytes: wanted, at = 0, what } of beginnings) {
    if (bytes.toString("latin1", at, at + wanted.length) === wanted) return what;
  }
  const head = bytes.subarray(0, 512);
  if (head.every((byte) => byte === 0)) return "begins with zeros only";
  if (head.every((byte) => byte >= 0x20 || byte === 9 || byte === 10 || byte === 13)) return "is a text file";
  return "is of no known kind";
}
