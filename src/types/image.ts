import type { RootFileSystem } from "./root.ts";

export interface ImageSummary {
  readonly id: string;
  /** Name that `--image` takes: a full OCI reference, or the name given on bootstrap or import. */
  readonly name: string;
  /** Digest of the manifest (or of the tarball) it was made from. */
  readonly digest: string;
  readonly architecture: string;
  /** Of its root. */
  readonly fileSystem: RootFileSystem;
  /** Size of the disk. */
  readonly diskBytes: number;
  /** What the disk takes up: its holes cost nothing. Less where the storage compresses. */
  readonly usedBytes: number;
  readonly createdAt: string;
  /** When a VM made from it was last made, started or deleted; null while there was none. */
  readonly lastUsedAt: string | null;
}

export interface ImageDetails extends ImageSummary {
  readonly source: string;
  readonly config: ImageConfig;
  /** Names of the VMs made from it. */
  readonly vms: readonly string[];
}

/** What an image says about how it is run (OCI image configuration). */
export interface ImageConfig {
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  /** "KEY=value", order kept. */
  readonly environment: readonly string[];
  readonly user: string;
  readonly workdir: string;
  readonly stopSignal: string;
  readonly exposedPorts: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** How registries are reached. Logins are those of Docker, podman and skopeo. */
export interface RegistryOptions {
  /** "HOST[:PORT][/PREFIX]" of registries to ask before the image's own, in this order. */
  readonly mirrors?: readonly string[];
  /**
   * False allows plain http and unknown certificates: of the mirrors when there are some, else of the image's registry.
   * Default true.
   */
  readonly tlsVerify?: boolean;
  /** Like `tlsVerify: false`, but no login is sent, except to this host. Default false. */
  readonly plainHttp?: boolean;
  /** File of certificates (PEM) that are trusted as well. */
  readonly certificateFile?: string;
}

export interface PullImageOptions extends RegistryOptions {
  readonly reference: string;
  readonly name?: string;
  /** "linux/amd64"; default: the host's architecture. */
  readonly platform?: string;
}

export interface PushOptions extends Omit<RegistryOptions, "mirrors"> {
  /** "ghcr.io/owner/name:tag" */
  readonly reference: string;
}

export interface PushReport {
  /** In full. */
  readonly reference: string;
  /** "sha256:..." of the manifest. */
  readonly digest: string;
}
