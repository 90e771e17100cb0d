const mebibyte = 1024 ** 2;

export interface GroupLimits {
  /** The guest's memory. */
  readonly memoryBytes: number;
  /** Whether the hypervisor translates the guest's code (QEMU's TCG), and keeps the translation. */
  readonly emulated?: boolean;
}

/** QEMU starts a thread for each vCPU and up to 64 for each disk's queue; none of them starts processes. */
export const maxTasks = 1024;

/**
 * What a VM's group may take: the guest's memory, 128 MiB for the hypervisor itself (QEMU takes 40 to 90), and a
 * thirty-second of the guest's for page tables (the host's and KVM's, 1/512 each) and what the kernel charges for sockets and queues.
 * Translated code takes up to 1 GiB (QEMU's default on 64-bit hosts). It is to stop what leaks; a guest must never meet it.
 */
export function memoryMax({ memoryBytes, emulated = false }: GroupLimits): number {
  const overhead = 128 * mebibyte + Math.ceil(memoryBytes / 32) + (emulated ? 1024 * mebibyte : 0);
  return Math.ceil(memoryBytes) + overhead;
}
