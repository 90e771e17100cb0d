import { EmberError } from "../errors/ember-error.ts";
import type { Installation } from "../installation.ts";
import { rootArchive } from "../kernel/roots.ts";
import { getKernel } from "../kernel/store.ts";
import { findImageById, type ImageRecord } from "../state/images.ts";
import type { VmRecord } from "../state/vms.ts";
import type { RootFileSystem } from "../types.ts";

/** What the VM was made from. Throws `image-not-found`. */
export function imageOf(installation: Installation, vm: Pick<VmRecord, "name" | "imageId">): ImageRecord {
  const image = findImageById(installation.db, vm.imageId);
  if (image === undefined) throw new EmberError("image-not-found", `the image of VM '${vm.name}' is gone`);
  return image;
}

/** Throws `unsupported`, before anything is changed, for a kernel that cannot mount such a root. */
export function checkRoot(installation: Installation, kernel: string, root: RootFileSystem): void {
  if (root !== "ext4") rootArchive(getKernel(installation.paths, kernel), root); // all kernels have ext4
}
