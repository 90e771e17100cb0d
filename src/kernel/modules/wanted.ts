import type { OtherRoot } from "../../types.ts";

/** What a guest needs of its kernel, and may find in it as modules. */
export interface WantedModule {
  readonly name: string;
  /** Without it no guest boots, wherever it runs. The others are left out when the kernel does not have them. */
  readonly required: boolean;
}

/**
 * In the order in which the guest loads them, each after what it depends on: first what the root disk and the network
 * wait for. The guest loads all of them at every boot, so nothing is here for convenience.
 */
export const wantedModules: readonly WantedModule[] = [
  { name: "virtio_pci", required: true },
  { name: "virtio_mmio", required: false },
  { name: "virtio_blk", required: true },
  { name: "ext4", required: true },
  { name: "virtio_net", required: true },
  { name: "vmw_vsock_virtio_transport", required: false },
  { name: "virtio_rng", required: false },
  { name: "virtio_console", required: false },
  { name: "virtio_balloon", required: false },
];

/**
 * What a guest whose root is on another file system than ext4 loads after those, the file system's own module last. The
 * others are what that asks the kernel for by itself, where no modprobe could answer: checksums, in the processor's way first,
 * since the first is kept.
 */
export const rootModules: Readonly<Record<OtherRoot, readonly WantedModule[]>> = {
  xfs: optional("crc32c_intel", "crc32c_generic", "xfs"),
  btrfs: optional(
    "crc32c_intel",
    "crc32c_generic",
    "xxhash_generic",
    "sha256_generic",
    "blake2b_generic",
    "btrfs",
  ),
};

function optional(...names: readonly string[]): readonly WantedModule[] {
  return names.map((name) => ({ name, required: false }));
}
