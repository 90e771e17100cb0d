import { EmberError } from "../../errors/ember-error.ts";
import { readHead } from "../file-parts.ts";
import type { Architecture } from "./machine.ts";

/**
 * Checks that QEMU can boot the file. QEMU itself starts any file, as a kernel of 1993, and then nothing happens.
 * Throws `kernel-not-found`, `kernel-invalid`.
 */
export function checkKernelFile(path: string, architecture: Architecture): void {
  const head = readHead(path, 0x240);
  if (head === undefined) throw new EmberError("kernel-not-found", `there is no kernel at '${path}'`);
  const fault = architecture === "x64" ? x64Fault(head) : arm64Fault(head);
  if (fault === undefined) return;
  throw new EmberError("kernel-invalid", `'${path}' ${fault}`, {
    hint: `give a Linux kernel for ${architecture === "x64" ? "x86-64 (bzImage or vmlinux)" : "arm64 (Image)"}`,
  });
}

const elfMachine = { x64: 62, i386: 3 };

function x64Fault(head: Buffer): string | undefined {
  if (head.length < 0x210) return "is too short to be a kernel";
  if (head.subarray(0, 4).equals(Buffer.from("\x7fELF", "latin1"))) {
    const machine = head.readUInt16LE(18);
    return machine === elfMachine.x64 || machine === elfMachine.i386
      ? undefined // whether it has an entry for virtual machines, QEMU says
      : "is a kernel or program for another processor";
  }
  // Documentation/arch/x86/boot.rst: the header's magic, then the protocol's version; 2.10 is of 2009.
  if (head.toString("latin1", 0x202, 0x206) !== "HdrS") return "is not a kernel";
  return head.readUInt16LE(0x206) < 0x0200 ? "is a kernel too old to boot" : undefined;
}

/** Documentation/arch/arm64/booting.rst: the magic at byte 56; compressed images are unpacked by QEMU. */
function arm64Fault(head: Buffer): string | undefined {
  if (head.length < 64) return "is too short to be a kernel";
  const plain = head.toString("latin1", 56, 60) === "ARM\x64";
  const gzip = head[0] === 0x1f && head[1] === 0x8b;
  const selfUnpacking = head.toString("latin1", 0, 2) === "MZ" && head.toString("latin1", 4, 8) === "zimg";
  return plain || gzip || selfUnpacking ? undefined : "is not an arm64 kernel";
}
