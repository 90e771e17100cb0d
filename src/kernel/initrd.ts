import { join } from "node:path";
import { guestBinary } from "#guest-binary";
import { buildBaseInitrd } from "../guest/initrd/base.ts";
import type { Kernel, KernelPlaces } from "./store.ts";

/**
 * The part of the initrd that all guests of a kernel share, made when it is missing: the guest binary and the kernel's
 * modules. Returns its path. Idempotent. Throws `host-unsupported` without a guest binary, and system errors (ENOSPC).
 */
export async function baseInitrd(
  installation: { readonly paths: KernelPlaces },
  kernel: Kernel,
): Promise<string> {
  return buildBaseInitrd({
    guestBinary: guestBinary(kernel.arch),
    archive: kernel.archive,
    folder: join(installation.paths.cacheDir, "initrd"),
  });
}
