import { totalmem } from "node:os";
import { EmberError } from "../errors/ember-error.ts";
import { formatSize } from "../host/sizes.ts";
import type { HypervisorCapabilities } from "../hypervisor/hypervisor.ts";

const mebibyte = 2 ** 20;

/** Least memory that the Debian kernel boots with (tried: 64 MiB is too little). */
export const leastMemoryBytes: number = 96 * mebibyte;

export const defaultCpus = 1;
export const defaultMemoryBytes: number = 512 * mebibyte;
export const defaultDiskBytes: number = 8 * 1024 * mebibyte;

/** Largest ext4 that the guest can grow to with 4 KiB blocks and the layout that ember writes. */
export const greatestDiskBytes: number = 16 * 2 ** 40;

/** Throws `invalid-size`, before anything is changed, when no VM of that size can run here. */
export function checkResources(
  wanted: { cpus: number; memoryBytes: number },
  capabilities: HypervisorCapabilities,
): void {
  if (!Number.isInteger(wanted.cpus) || wanted.cpus < 1 || wanted.cpus > capabilities.maxCpus) {
    throw new EmberError("invalid-size", `a VM cannot have ${wanted.cpus} CPUs here`, {
      hint: `give it 1 to ${capabilities.maxCpus}`,
    });
  }
  if (!(wanted.memoryBytes >= leastMemoryBytes && wanted.memoryBytes <= totalmem())) {
    throw new EmberError(
      "invalid-size",
      `a VM cannot have ${formatSize(wanted.memoryBytes)} of memory here`,
      {
        hint: `give it ${formatSize(leastMemoryBytes)} to ${formatSize(totalmem())}, which is what this host has`,
      },
    );
  }
  if (wanted.memoryBytes % mebibyte !== 0) {
    throw new EmberError("invalid-size", `${wanted.memoryBytes} bytes of memory are not whole mebibytes`, {
      hint: "write the memory like 512M or 4G",
    });
  }
}

/** The disk size for a VM: what was asked for, at least its source's. Throws `invalid-size`. */
export function diskSizeFor(askedBytes: number | undefined, sourceBytes: number): number {
  if (askedBytes === undefined) return Math.max(defaultDiskBytes, sourceBytes);
  if (askedBytes < sourceBytes) {
    throw new EmberError(
      "invalid-size",
      `a disk of ${formatSize(askedBytes)} is smaller than its source, ${formatSize(sourceBytes)}`,
      {
        hint: "leave --disk-size out, or give a larger one: disks only grow",
      },
    );
  }
  checkDiskSize(askedBytes);
  return askedBytes;
}

/** Throws `invalid-size` for a size that no disk can have, whatever it was before. */
export function checkDiskSize(sizeBytes: number): void {
  if (sizeBytes > 0 && sizeBytes <= greatestDiskBytes && sizeBytes % mebibyte === 0) return;
  const size =
    Number.isSafeInteger(sizeBytes) && sizeBytes > 0 ? formatSize(sizeBytes) : `${sizeBytes} bytes`;
  throw new EmberError("invalid-size", `a disk cannot have ${size}`, {
    hint: `give whole mebibytes, at most ${formatSize(greatestDiskBytes)}`,
  });
}
