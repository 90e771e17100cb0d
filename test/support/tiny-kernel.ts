/**
 * A kernel of a few hundred bytes that prints a text on the serial port and then waits for ever: it "boots" at once,
 * so a hypervisor can be tried without a real one.
 */
export function tinyKernel(text: string, architecture: "x64" | "arm64" = hostArchitecture()): Buffer {
  return architecture === "x64" ? x64Kernel(text) : arm64Kernel(text);
}

function hostArchitecture(): "x64" | "arm64" {
  return process.arch === "arm64" ? "arm64" : "x64";
}

/**
 * The same for x86-64 as a bzImage, for what boots by Linux' own protocol (Documentation/arch/x86/boot.rst): all is in the
 * part that runs in real mode, whose data segment begins with the file.
 */
export function tinyBzImage(text: string): Buffer {
  const file = Buffer.alloc(4096);
  const [code, message] = [0x280, 0x2a0];
  file.writeUInt8(1, 0x1f1); // one sector of this part besides the first
  file.writeUInt16LE(0xaa55, 0x1fe);
  file.writeUInt8(0xeb, 0x200); // jmp code
  file.writeUInt8(code - 0x202, 0x201);
  file.write("HdrS", 0x202, "latin1");
  file.writeUInt16LE(0x020a, 0x206);
  file.writeUInt8(1, 0x211); // the rest goes to 1 MiB
  file.writeUInt32LE(loadAddress, 0x214);
  file.writeUInt32LE(0x7fff_ffff, 0x22c); // where an initrd may end
  Buffer.from([
    ...[0xbe, message & 0xff, message >> 8], // mov si, message
    ...[0xba, 0xf8, 0x03], // mov dx, 0x3f8
    ...[0xac, 0x84, 0xc0, 0x74, 0x03, 0xee, 0xeb, 0xf8], // next: lodsb; test al,al; jz end; out dx,al; jmp next
    ...[0xfa, 0xf4, 0xeb, 0xfd], // end: cli; hlt; jmp to hlt
  ]).copy(file, code);
  file.write(`${text}\r\n\0`, message, "latin1");
  return file;
}

const loadAddress = 0x100000;

/**
 * An ELF file that is entered in 32-bit protected mode (PVH, xen/include/public/arch-x86/hvm/start_info.h): one
 * segment with the headers, the note that names the entry, the code and the text.
 */
function x64Kernel(text: string): Buffer {
  const message = Buffer.from(`${text}\r\n\0`, "latin1");
  const headerSize = 64 + 2 * 56;
  const note = Buffer.alloc(20);
  note.writeUInt32LE(4, 0); // the owner's name, with its zero
  note.writeUInt32LE(4, 4);
  note.writeUInt32LE(18, 8); // XEN_ELFNOTE_PHYS32_ENTRY
  note.write("Xen\0", 12, "latin1");
  const codeOffset = 256;
  const code = x64Code(loadAddress + codeOffset + 64);
  note.writeUInt32LE(loadAddress + codeOffset, 16);
  const file = Buffer.alloc(codeOffset + 64 + message.length);
  const size = file.length;
  elfHeader(file);
  programHeader(file, 64, { type: 1, flags: 7, offset: 0, size });
  programHeader(file, 64 + 56, { type: 4, flags: 4, offset: headerSize, size: note.length });
  note.copy(file, headerSize);
  code.copy(file, codeOffset);
  message.copy(file, codeOffset + 64);
  // QEMU reads more than a kilobyte of any kernel.
  return Buffer.concat([file, Buffer.alloc(8192 - size)]);
}

function x64Code(messageAddress: number): Buffer {
  const address = Buffer.alloc(4);
  address.writeUInt32LE(messageAddress);
  return Buffer.from([
    ...[0xbe, ...address], // mov esi, message
    ...[0x66, 0xba, 0xf8, 0x03], // mov dx, 0x3f8 (the first serial port)
    ...[0xac, 0x84, 0xc0, 0x74, 0x03, 0xee, 0xeb, 0xf8], // next: lodsb; test al,al; jz end; out dx,al; jmp next
    ...[0xfa, 0xf4, 0xeb, 0xfd], // end: cli; hlt; jmp to hlt
  ]);
}

function elfHeader(file: Buffer): void {
  file.write("\x7fELF\x02\x01\x01", 0, "latin1");
  file.writeUInt16LE(2, 16); // an executable
  file.writeUInt16LE(62, 18); // for x86-64
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(loadAddress + 256), 24);
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(2, 56);
  file.writeUInt16LE(64, 58);
}

interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly size: number;
}

function programHeader(file: Buffer, at: number, segment: Segment): void {
  file.writeUInt32LE(segment.type, at);
  file.writeUInt32LE(segment.flags, at + 4);
  file.writeBigUInt64LE(BigInt(segment.offset), at + 8);
  file.writeBigUInt64LE(BigInt(loadAddress + segment.offset), at + 16);
  file.writeBigUInt64LE(BigInt(loadAddress + segment.offset), at + 24);
  file.writeBigUInt64LE(BigInt(segment.size), at + 32);
  file.writeBigUInt64LE(BigInt(segment.size), at + 40);
  file.writeBigUInt64LE(4n, at + 48);
}

/** The arm64 Linux boot header (Documentation/arch/arm64/booting.rst), then code for the PL011 of QEMU's "virt". */
function arm64Kernel(text: string): Buffer {
  const file = Buffer.alloc(4096);
  const words = [
    0x14000010, // b code (byte 64)
    0,
  ];
  for (const [index, word] of words.entries()) file.writeUInt32LE(word, index * 4);
  file.writeBigUInt64LE(BigInt(file.length), 16);
  file.write("ARM\x64", 56, "latin1");
  const code = [
    0x10000101, // adr x1, message (32 bytes on)
    0xd2a12000, // mov x0, #0x09000000
    0x38401422, // next: ldrb w2, [x1], #1
    0x34000062, // cbz w2, end
    0x39000002, // strb w2, [x0]
    0x17fffffd, // b next
    0xd503207f, // end: wfi
    0x17ffffff, // b end
  ];
  for (const [index, word] of code.entries()) file.writeUInt32LE(word, 64 + index * 4);
  file.write(`${text}\r\n\0`, 64 + code.length * 4, "latin1");
  return file;
}
