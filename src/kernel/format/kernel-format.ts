import type { GuestArchitecture } from "../../guest/binary/architecture.ts";

/** What the file is that a kernel came as, once any outer compression is off. */
export type KernelFormat = "bzImage" | "vmlinux" | "Image";

/**
 * A way in which a hypervisor starts a kernel: "bzimage" by the x86 boot protocol, "pvh" by the entry that an ELF note
 * names, "elf" by the 64-bit entry of an ELF file, "image" by the arm64 boot protocol.
 */
export type BootMethod = "bzimage" | "pvh" | "elf" | "image";

/** A file that was recognised as a kernel. */
export interface RecognisedKernel {
  readonly format: KernelFormat;
  readonly arch: GuestArchitecture;
  /** "6.1.0-56-cloud-amd64". */
  readonly version: string;
  /** What `kernel`, `original` or what is unpacked of them can be started by. */
  readonly bootable: readonly BootMethod[];
  /** What guests boot: uncompressed where that is possible, since unpacking it at each boot takes the guest longer. */
  readonly kernel: Buffer;
  /** The file as given, when `kernel` was unpacked from it. */
  readonly original: Buffer | undefined;
}
