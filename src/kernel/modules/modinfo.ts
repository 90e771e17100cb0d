import { EmberError } from "../../errors/ember-error.ts";

/** What a module says about itself that matters for loading it. */
export interface ModuleInfo {
  /** The kernel's own name for it: underscores, never dashes. */
  readonly name: string;
  readonly depends: readonly string[];
}

/** "virtio-rng.ko.xz" and "virtio_rng" are one module to the kernel. */
export function moduleName(fileName: string): string {
  return fileName.replace(/\.ko(\.[a-z0-9]+)?$/, "").replaceAll("-", "_");
}

/**
 * Reads the .modinfo section of an (uncompressed) kernel module: NUL-separated "key=value" (include/linux/module.h).
 * Throws `kernel-invalid` for a file that is no 64-bit little-endian ELF object with that section.
 */
export function readModuleInfo(fileName: string, bytes: Buffer): ModuleInfo {
  const section = findSection(bytes, ".modinfo");
  if (section === undefined) {
    throw new EmberError("kernel-invalid", `'${fileName}' of the kernel's package is no kernel module`);
  }
  const pairs = section.toString("latin1").split("\0");
  const field = (key: string): string | undefined =>
    pairs.find((pair) => pair.startsWith(`${key}=`))?.slice(key.length + 1);
  const depends = (field("depends") ?? "").split(",").filter((name) => name !== "");
  return { name: moduleName(field("name") ?? fileName), depends: depends.map(moduleName) };
}

const headerSize = 64;
const sectionHeaderSize = 64;

/** Content of a named section of an ELF64 file, undefined when there is none (or no sound ELF). */
function findSection(bytes: Buffer, wanted: string): Buffer | undefined {
  if (bytes.length < headerSize || bytes.readUInt32BE(0) !== 0x7f454c46) return undefined;
  if (bytes[4] !== 2 || bytes[5] !== 1) return undefined; // 64-bit, little-endian
  const table = bytes.readBigUInt64LE(40);
  const count = bytes.readUInt16LE(60);
  const namesIndex = bytes.readUInt16LE(62);
  const names = sectionContent(bytes, table, namesIndex);
  if (names === undefined) return undefined;
  for (let index = 0; index < count; index++) {
    const header = sectionHeader(bytes, table, index);
    if (header === undefined) return undefined;
    const start = header.readUInt32LE(0);
    const end = names.indexOf(0, start);
    if (end !== -1 && names.toString("latin1", start, end) === wanted)
      return sectionContent(bytes, table, index);
  }
  return undefined;
}

function sectionHeader(bytes: Buffer, table: bigint, index: number): Buffer | undefined {
  return slice(bytes, table + BigInt(index * sectionHeaderSize), BigInt(sectionHeaderSize));
}

function sectionContent(bytes: Buffer, table: bigint, index: number): Buffer | undefined {
  const header = sectionHeader(bytes, table, index);
  return header === undefined
    ? undefined
    : slice(bytes, header.readBigUInt64LE(24), header.readBigUInt64LE(32));
}

/** A part of the file, undefined when it does not lie within it. */
function slice(bytes: Buffer, offset: bigint, size: bigint): Buffer | undefined {
  const end = offset + size;
  return end > BigInt(bytes.length) ? undefined : bytes.subarray(Number(offset), Number(end));
}
