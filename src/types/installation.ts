export interface InitOptions {
  readonly storage?: string;
  readonly storagePath?: string;
  readonly sizeBytes?: number;
  /** A block device for the storage. Its content is lost; refused when it holds something. */
  readonly device?: string;
  /** What reflink storage makes in a file or on a device. Default xfs. */
  readonly fileSystem?: "xfs" | "btrfs";
  /** zfs: the pool to use or make. Default ember. */
  readonly pool?: string;
  /** zfs: the dataset in the pool. Default ember. */
  readonly dataset?: string;
  /** dm-thin: compress with dm-vdo. */
  readonly vdo?: boolean;
  /** Preset to pull or path to import at once. Default: the `debian` preset, pulled when first needed. */
  readonly kernel?: string;
  readonly hypervisor?: string;
  readonly accelerator?: string;
  readonly network?: string;
  /** Default 10.100.0.0/16, or another where the host has other uses for that. */
  readonly subnet?: string;
  /** The host's interface that leads outside. Default: whichever its routes say. */
  readonly outsideInterface?: string;
  /** Weight of all VMs together against the host's other groups of processes, 1 to 10000. Default 50. */
  readonly cpuWeight?: number;
  /** Whether hypervisors are confined where they can be. Default true. */
  readonly jailer?: boolean;
}

/** What an installation uses, and what it found out about the host. */
export interface InstallationInfo {
  readonly version: string;
  readonly platform: string;
  readonly architecture: string;
  readonly initialized: boolean;
  /** Eight hexadecimal digits: names of this installation's network interfaces, firewall tables and cgroups hold them. */
  readonly installationId: string | null;
  readonly stateDir: string;
  readonly runtimeDir: string;
  readonly hypervisor: string | null;
  readonly hypervisorVersion: string | null;
  /** Whether hypervisors run as users of their own in folders of their own; null where the hypervisor has no such thing. */
  readonly confinement: { readonly confined: boolean; readonly reason: string } | null;
  /** What bounds the VMs' share of the host; null where the platform has nothing for that. */
  readonly containment: { readonly available: boolean; readonly reason: string } | null;
  /** "kvm", "hvf", "tcg", or null when not probed yet. */
  readonly accelerator: string | null;
  readonly acceleratorReason: string | null;
  readonly storage: string | null;
  readonly storagePath: string | null;
  readonly capacity: {
    readonly totalBytes: number;
    readonly usedBytes: number;
    readonly freeBytes: number;
  } | null;
  readonly network: string | null;
  readonly subnet: string | null;
  readonly defaultKernel: string | null;
  readonly vms: number;
  readonly running: number;
  readonly images: number;
  /** Things a user should know, such as a promise that the driver in use cannot hold. */
  readonly notes: readonly string[];
}

/** One line of `doctor`. */
export interface DoctorCheck {
  readonly name: string;
  readonly status: "ok" | "warning" | "missing";
  readonly detail: string;
  /** Why it matters. */
  readonly why: string;
  readonly remedy: string | null;
}

export interface ReconcileReport {
  /** Operations of killed commands that were brought to their end. */
  readonly finished: readonly string[];
  /** Operations of killed commands that were undone. */
  readonly undone: readonly string[];
  /** VMs whose hypervisor was found gone. */
  readonly stopped: readonly string[];
  /** Leftovers that were removed. */
  readonly removed: readonly string[];
}

export interface PruneOptions {
  readonly images?: boolean;
  readonly kernels?: boolean;
  readonly cache?: boolean;
}

export interface PruneReport {
  readonly images: readonly string[];
  readonly kernels: readonly string[];
  readonly cacheFiles: number;
  readonly freedBytes: number;
}

export interface ImagePruneReport {
  /** Names of the images that are gone. */
  readonly images: readonly string[];
  /** How many layers are. */
  readonly layers: number;
  readonly freedBytes: number;
}

export interface EmberEvent {
  readonly id: number;
  readonly at: string;
  /** "vm.created", "vm.started", "image.pulled", ... */
  readonly kind: string;
  readonly subject: string;
  readonly detail: Readonly<Record<string, string | number | boolean | null>>;
}
