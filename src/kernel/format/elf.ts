import { invalidKernel } from "./invalid.ts";
import type { BootMethod } from "./kernel-format.ts";
import { looksLike } from "./looks-like.ts";
import { scanVersion } from "./version.ts";

export const isElf = (bytes: Buffer): boolean =>
  bytes.length >= headerSize && bytes.readUInt32BE(0) === 0x7f454c46;

const headerSize = 64;
const programHeaderSize = 56;
const machine = { amd64: 62, arm64: 183 };
const segment = { load: 1, interpreter: 3, note: 4 };
/** The note that names the entry for PVH (xen/interface/elfnote.h: XEN_ELFNOTE_PHYS32_ENTRY). */
const pvhNote = { name: "Xen\0", type: 18 };

interface Segment {
  readonly type: number;
  /** Undefined when it does not lie within the file. */
  readonly content: Buffer | undefined;
}

export interface Vmlinux {
  readonly version: string;
  readonly bootable: readonly BootMethod[];
}

/** An x86-64 vmlinux. Throws `kernel-invalid` for any other ELF file. */
export function readVmlinux(bytes: Buffer): Vmlinux {
  if (bytes[4] !== 2 || bytes[5] !== 1) throw invalidKernel(looksLike(bytes));
  const segments = readSegments(bytes);
  const version = scanVersion(bytes);
  const isProgram = segments.some(({ type }) => type === segment.interpreter);
  if (isProgram || version === undefined) throw invalidKernel("is a program, not a kernel");
  const found = bytes.readUInt16LE(18);
  if (found === machine.arm64) {
    throw invalidKernel("is an arm64 vmlinux", "give the file arch/arm64/boot/Image of the same build");
  }
  if (found !== machine.amd64) throw invalidKernel("is a kernel for another processor");
  const loaded = segments.filter(({ type }) => type === segment.load);
  if (loaded.length === 0 || loaded.some(({ content }) => content === undefined)) {
    throw invalidKernel("is a vmlinux that is cut short");
  }
  const pvh = segments.some(({ type, content }) => type === segment.note && hasPvhNote(content));
  return { version, bootable: pvh ? ["pvh", "elf"] : ["elf"] };
}

function readSegments(bytes: Buffer): Segment[] {
  const table = Number(bytes.readBigUInt64LE(32));
  const count = bytes.readUInt16LE(56);
  const segments: Segment[] = [];
  for (let index = 0; index < count; index++) {
    const at = table + index * programHeaderSize;
    if (at + programHeaderSize > bytes.length) throw invalidKernel("is an ELF file that is cut short");
    const offset = Number(bytes.readBigUInt64LE(at + 8));
    const size = Number(bytes.readBigUInt64LE(at + 32));
    const content = offset + size <= bytes.length ? bytes.subarray(offset, offset + size) : undefined;
    segments.push({ type: bytes.readUInt32LE(at), content });
  }
  return segments;
}

/** Notes follow each other: sizes of name and content, type, name, content, each padded to four bytes (elf(5)). */
function hasPvhNote(notes: Buffer | undefined): boolean {
  if (notes === undefined) return false;
  for (let at = 0; at + 12 <= notes.length; ) {
    const nameSize = notes.readUInt32LE(at);
    const contentSize = notes.readUInt32LE(at + 4);
    const name = notes.toString("latin1", at + 12, at + 12 + nameSize);
    if (notes.readUInt32LE(at + 8) === pvhNote.type && name === pvhNote.name) return true;
    at += 12 + roundUp(nameSize) + roundUp(contentSize);
  }
  return false;
}

const roundUp = (size: number): number => Math.ceil(size / 4) * 4;
