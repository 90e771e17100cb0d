const failed =
  "System configuration error: Cannot load kernel due to invalid memory configuration or invalid kernel image: Kernel Loader: failed to load ELF kernel image: Kernel Loader:";

const headerSize = 64;
const programHeaderSize = 56;
const lowestEntry = 0x100000n;
const load = 1;

/** What Firecracker says of a file that is no uncompressed ELF kernel (rust-vmm's linux-loader); undefined: nothing. */
export function kernelFault(kernel: Buffer, memoryBytes: number): string | undefined {
  const fault = headerFault(kernel) ?? segmentFault(kernel, BigInt(memoryBytes));
  return fault === undefined ? undefined : `${failed} ${fault}`;
}

function headerFault(kernel: Buffer): string | undefined {
  if (kernel.length < headerSize) return "Unable to read elf header";
  if (kernel.toString("latin1", 0, 4) !== "\x7fELF") return "Invalid Elf magic number";
  if (kernel[5] !== 1) return "Trying to load big-endian binary on little-endian machine";
  if (kernel.readUInt16LE(54) !== programHeaderSize) return "Invalid program header size";
  if (kernel.readBigUInt64LE(32) < headerSize) return "Invalid program header offset";
  if (kernel.readBigUInt64LE(24) < lowestEntry) return "Invalid entry address";
  return undefined;
}

function segmentFault(kernel: Buffer, memory: bigint): string | undefined {
  const table = Number(kernel.readBigUInt64LE(32));
  const count = kernel.readUInt16LE(56);
  if (table + count * programHeaderSize > kernel.length) return "Unable to read program header";
  for (let index = 0; index < count; index++) {
    const at = table + index * programHeaderSize;
    const [offset, address, size] = [8, 24, 32].map((place) => kernel.readBigUInt64LE(at + place));
    if (offset === undefined || address === undefined || size === undefined) continue;
    if (kernel.readUInt32LE(at) !== load || size === 0n) continue;
    if (offset + size > kernel.length || address + size > memory) return "Unable to read kernel image";
  }
  return undefined;
}
