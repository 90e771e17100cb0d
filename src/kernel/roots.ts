import { EmberError } from "../errors/ember-error.ts";
import type { KernelArchive } from "../guest/initrd/base.ts";
import { type OtherRoot, otherRoots, type RootFileSystem } from "../types/root.ts";

/** A file system besides ext4 that a kernel can mount as root. */
export interface RootDriver {
  readonly fileSystem: OtherRoot;
  /** The driver's modules, for the initrd of guests with such a root alone; undefined when it is built in. */
  readonly archive: KernelArchive | undefined;
}

/** One of a kernel that is being made. */
export interface NewRootDriver {
  readonly fileSystem: OtherRoot;
  readonly archive: Buffer | undefined;
}

/** Of a kernel without modules, as its .config tells. */
export function builtInRoots(config: string): readonly NewRootDriver[] {
  const lines = config.split("\n");
  return otherRoots
    .filter((fileSystem) => lines.includes(`CONFIG_${fileSystem.toUpperCase()}_FS=y`))
    .map((fileSystem) => ({ fileSystem, archive: undefined }));
}

/**
 * What goes into the initrd for such a root, beside what all guests of the kernel get; undefined for nothing. Of a kernel that
 * does not say what it can mount, the guest finds out. Throws `unsupported` for one that cannot mount it.
 */
export function rootArchive(
  kernel: { readonly name: string; readonly roots: readonly RootDriver[] | undefined },
  fileSystem: RootFileSystem,
): KernelArchive | undefined {
  if (fileSystem === "ext4" || kernel.roots === undefined) return undefined;
  const driver = kernel.roots.find((candidate) => candidate.fileSystem === fileSystem);
  if (driver !== undefined) return driver.archive;
  throw new EmberError(
    "unsupported",
    `the image's root is on ${fileSystem}, which the kernel '${kernel.name}' cannot mount`,
    {
      hint: "fetch Debian's newest kernel, which can: ember kernel pull debian; the VM gets it with --kernel debian",
    },
  );
}
