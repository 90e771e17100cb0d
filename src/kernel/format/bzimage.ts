import { invalidKernel } from "./invalid.ts";
import { readRelease } from "./version.ts";

/** What the header of an x86 kernel says (Documentation/arch/x86/boot.rst). */
export interface BzImage {
  readonly version: string | undefined;
  /** The compressed kernel inside; undefined for kernels that do not say where it is (before 2.6.24). */
  readonly payload: Buffer | undefined;
}

const headerEnd = 0x250;

export const isBzImage = (bytes: Buffer): boolean =>
  bytes.length >= headerEnd &&
  bytes.readUInt16LE(0x1fe) === 0xaa55 &&
  bytes.toString("latin1", 0x202, 0x206) === "HdrS";

/** Throws `kernel-invalid` for a 32-bit kernel and for a file that is cut short. */
export function readBzImage(bytes: Buffer): BzImage {
  const protocol = bytes.readUInt16LE(0x206);
  const runsIn64Bit = protocol >= 0x20c && (bytes.readUInt16LE(0x236) & 1) === 1;
  if (!runsIn64Bit) throw invalidKernel("is a 32-bit x86 kernel");
  const setupSectors = bytes.readUInt8(0x1f1);
  const start = ((setupSectors === 0 ? 4 : setupSectors) + 1) * 512;
  const offset = start + bytes.readUInt32LE(0x248);
  const length = bytes.readUInt32LE(0x24c);
  if (offset + length > bytes.length) throw invalidKernel("is a bzImage that is cut short");
  return {
    version: readVersion(bytes),
    payload: length === 0 ? undefined : bytes.subarray(offset, offset + length),
  };
}

function readVersion(bytes: Buffer): string | undefined {
  const pointer = bytes.readUInt16LE(0x20e);
  if (pointer === 0) return undefined;
  return readRelease(bytes.toString("latin1", 0x200 + pointer, 0x200 + pointer + 200));
}
