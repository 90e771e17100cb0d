import { join } from "node:path";
import { guestBinary } from "#guest-binary";
import { buildBaseInitrd } from "../guest/initrd/base.ts";
import type { RootFileSystem } from "../types.ts";
import { rootArchive } from "./roots.ts";
import type { Kernel, KernelPlaces } from "./store.ts";

/**
 * The part of the initrd that all guests of a kernel with such a root share, made when it is missing: the guest binary and
 * the kernel's modules. Returns its path. Idempotent. Throws `unsupported` when the kernel cannot mount the root,
 * `host-unsupported` without a guest binary, and system errors (ENOSPC).
 */
export async function baseInitrd(
  installation: { readonly paths: KernelPlaces },
  kernel: Kernel,
  root: RootFileSystem,
): Promise<string> {
  return buildBaseInitrd({
    guestBinary: guestBinary(kernel.arch),
    archive: kernel.archive,
    rootArchive: rootArchive(kernel, root),
    folder: join(installation.paths.cacheDir, "initrd"),
  });
}
