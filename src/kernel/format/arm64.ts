import { invalidKernel } from "./invalid.ts";

/** Magic at 0x38 of an arm64 kernel (Documentation/arch/arm64/booting.rst). */
export const isArm64Image = (bytes: Buffer): boolean =>
  bytes.length >= 64 && bytes.toString("latin1", 0x38, 0x3c) === "ARM\x64";

/** An EFI program that unpacks the kernel inside it (drivers/firmware/efi/libstub/zboot-header.S). */
export const isZboot = (bytes: Buffer): boolean =>
  bytes.length >= 64 && bytes.toString("latin1", 0, 2) === "MZ" && bytes.toString("latin1", 4, 8) === "zimg";

/** The compressed kernel inside. Throws `kernel-invalid` for a file that is cut short. */
export function zbootPayload(bytes: Buffer): Buffer {
  const offset = bytes.readUInt32LE(8);
  const size = bytes.readUInt32LE(12);
  if (offset + size > bytes.length) throw invalidKernel("is an EFI kernel that is cut short");
  return bytes.subarray(offset, offset + size);
}
