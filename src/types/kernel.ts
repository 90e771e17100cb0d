export interface KernelSummary {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly format: string;
  /** Those of this platform that can boot it: "qemu", "firecracker", "vz". */
  readonly hypervisors: readonly string[];
  readonly source: string;
  readonly isDefault: boolean;
  readonly sizeBytes: number;
  readonly createdAt: string;
}

/** How a kernel is built. Paths are absolute. */
export interface BuildKernelOptions {
  /** Default: "microvm-" and the version. */
  readonly name?: string;
  /** Default: the host's. For another, `output` must be given. */
  readonly arch?: "amd64" | "arm64";
  /** Default: "bzimage" on amd64, "image" on arm64. */
  readonly format?: "vmlinux" | "bzimage" | "image";
  /** Compilers that run at once. Default: as many as there are processors. */
  readonly jobs?: number;
  /** A file with options that win over ember's own. */
  readonly config?: string;
  /** A tarball, as a file or an address, with what verifies it: keys, a checksum, or both. Default: Debian's newest source. */
  readonly source?: {
    readonly from: string;
    /** Of the file as it is, compressed. */
    readonly sha256?: string;
    /** A file with public keys, and file or address of the signature over the unpacked archive (default: beside `from`). */
    readonly keyring?: string;
    readonly signature?: string;
  };
  /** A new file that the kernel is written to, in place of it being taken in. */
  readonly output?: string;
  /**
   * Builds in a container: with "podman", "buildah" or "docker" (default: the first that is installed), of an image that has the
   * tools (default: one that is made of Debian's packages). Default: on this host; on macOS in a container.
   */
  readonly container?: { readonly runtime?: string; readonly image?: string };
}

/** What a build made. */
export interface BuiltKernelReport {
  /** Null when it was written to a file. */
  readonly kernel: KernelSummary | null;
  readonly path: string | null;
  readonly version: string;
  readonly architecture: string;
  readonly format: string;
  readonly hypervisors: readonly string[];
}
