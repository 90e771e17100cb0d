import { gzipSync } from "node:zlib";

/** Made-up kernels and modules: the headers are right, there is no code in them. */

const bannerOf = (version: string): string => `\0Linux version ${version} (builder@host) #1 SMP\n\0`;

interface ElfSection {
  readonly name: string;
  readonly content: Buffer;
}

const headerSize = 64;

function elfHeader(type: number, machine: number): Buffer {
  const header = Buffer.alloc(headerSize);
  header.write("\x7fELF\x02\x01\x01", "latin1");
  header.writeUInt16LE(type, 16);
  header.writeUInt16LE(machine, 18);
  return header;
}

/** A kernel module: an object file whose .modinfo names what it depends on. */
export function makeModule(name: string, depends: readonly string[] = [], trailer = ""): Buffer {
  const modinfo = Buffer.from(`license=GPL\0depends=${depends.join(",")}\0name=${name}\0vermagic=1 SMP\0`);
  const names = Buffer.from("\0.modinfo\0.shstrtab\0");
  const sections: ElfSection[] = [
    { name: "", content: Buffer.alloc(0) },
    { name: ".modinfo", content: modinfo },
    { name: ".shstrtab", content: names },
  ];
  const header = elfHeader(1, 62);
  const headers: Buffer[] = [];
  let offset = headerSize;
  for (const section of sections) {
    const entry = Buffer.alloc(64);
    entry.writeUInt32LE(Math.max(0, names.indexOf(`${section.name}\0`)), 0);
    entry.writeBigUInt64LE(BigInt(offset), 24);
    entry.writeBigUInt64LE(BigInt(section.content.length), 32);
    headers.push(entry);
    offset += section.content.length;
  }
  header.writeBigUInt64LE(BigInt(offset), 40);
  header.writeUInt16LE(sections.length, 60);
  header.writeUInt16LE(2, 62);
  return Buffer.concat([header, ...sections.map(({ content }) => content), ...headers, Buffer.from(trailer)]);
}

export interface FakeVmlinux {
  readonly version?: string;
  readonly pvh?: boolean;
  readonly machine?: number;
  readonly interpreter?: boolean;
  readonly banner?: boolean;
}

/** An ELF file with one loaded segment, and one for notes (or a program's interpreter). */
export function makeVmlinux(options: FakeVmlinux = {}): Buffer {
  const { version = "6.1.0-fake", pvh = true, machine = 62, interpreter = false, banner = true } = options;
  const code = Buffer.from(`code ${banner ? bannerOf(version) : ""}`.padEnd(4096, "."));
  const note = makeNotes(pvh);
  const header = elfHeader(2, machine);
  const types = [1, interpreter ? 3 : 4];
  header.writeBigUInt64LE(BigInt(headerSize), 32);
  header.writeUInt16LE(types.length, 56);
  const start = headerSize + types.length * 56;
  const segments = [code, note].map((content, index) => {
    const entry = Buffer.alloc(56);
    entry.writeUInt32LE(types[index] ?? 0, 0);
    entry.writeBigUInt64LE(BigInt(index === 0 ? start : start + code.length), 8);
    entry.writeBigUInt64LE(BigInt(content.length), 32);
    return entry;
  });
  return Buffer.concat([header, ...segments, code, note]);
}

/** A note of another kind first, as real kernels have it (the build's id), then the one for PVH. */
function makeNotes(pvh: boolean): Buffer {
  const note = (name: string, type: number, content: Buffer): Buffer => {
    const sizes = Buffer.alloc(12);
    sizes.writeUInt32LE(name.length, 0);
    sizes.writeUInt32LE(content.length, 4);
    sizes.writeUInt32LE(type, 8);
    const pad = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
    return Buffer.concat([sizes, pad(Buffer.from(name)), pad(content)]);
  };
  return Buffer.concat([
    note("GNU\0", 3, Buffer.alloc(19, 7)),
    ...(pvh ? [note("Xen\0", 18, Buffer.alloc(4, 1))] : []),
  ]);
}

export interface FakeBzImage {
  readonly version?: string;
  readonly payload?: Buffer;
  readonly is64Bit?: boolean;
}

/** A bzImage around a compressed payload; by default a fake vmlinux in gzip form. */
export function makeBzImage(options: FakeBzImage = {}): Buffer {
  const { version = "6.1.0-fake", payload = gzipSync(makeVmlinux({ version })), is64Bit = true } = options;
  const setup = Buffer.alloc(512 * 3);
  setup.writeUInt8(2, 0x1f1);
  setup.writeUInt16LE(0xaa55, 0x1fe);
  setup.write("HdrS", 0x202, "latin1");
  setup.writeUInt16LE(0x20f, 0x206);
  setup.writeUInt16LE(0x300, 0x20e);
  setup.write(`${version} (builder@host) #1 SMP\0`, 0x500, "latin1");
  setup.writeUInt16LE(is64Bit ? 1 : 0, 0x236);
  setup.writeUInt32LE(64, 0x248);
  setup.writeUInt32LE(payload.length, 0x24c);
  return Buffer.concat([setup, Buffer.alloc(64, 0x90), payload]);
}

/** What the build of a kernel appends to all payloads but gzip: the size of what is in them. */
export function withSize(packed: Buffer, unpackedSize: number): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(unpackedSize);
  return Buffer.concat([packed, size]);
}

export function makeArm64Image(version = "6.1.0-fake"): Buffer {
  const header = Buffer.alloc(64);
  header.write("ARM\x64", 0x38, "latin1");
  return Buffer.concat([header, Buffer.from(bannerOf(version)), Buffer.alloc(1000)]);
}

/** An arm64 kernel inside an EFI program that unpacks it. */
export function makeZboot(payload: Buffer): Buffer {
  const header = Buffer.alloc(512);
  header.write("MZ\0\0zimg", 0, "latin1");
  header.writeUInt32LE(512, 8);
  header.writeUInt32LE(payload.length, 12);
  header.write("gzip", 24, "latin1");
  return Buffer.concat([header, payload, Buffer.alloc(100, 1)]);
}
