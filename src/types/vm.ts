import type { RegistryOptions } from "./image.ts";
import type {
  EgressPolicy,
  NetworkPolicy,
  PolicyOptions,
  PortMapping,
  SecretOptions,
  SecretSummary,
  VmNetworkStatus,
} from "./network.ts";

export type VmStatus = "created" | "running" | "paused" | "stopped" | "failed";

/** One VM as `vm list --format json` prints it. */
export interface VmSummary {
  readonly id: string;
  readonly name: string;
  readonly status: VmStatus;
  readonly image: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly createdAt: string;
  readonly startedAt: string | null;
  /** Name of the VM that this one was forked from (its id once that VM is gone). */
  readonly forkedFrom: string | null;
  readonly hypervisor: string;
  readonly storage: string;
  readonly network: {
    readonly mode: "default" | "none";
    readonly guestIp: string | null;
    readonly hostIp: string | null;
    readonly mac: string | null;
    readonly ports: readonly PortMapping[];
    /** What `--egress` would say: the networks where they are the whole policy, else what holds without a rule. */
    readonly egress: EgressPolicy;
    readonly policy: NetworkPolicy;
  };
  readonly pid: number | null;
  /** Only with `usage`: bytes that the disk occupies on the host, shared blocks included. */
  readonly usedBytes?: number;
}

/** `vm inspect`: the summary and everything else that is known without asking the guest. */
export interface VmDetails extends VmSummary {
  readonly kernel: string;
  readonly bootArguments: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly user: string;
  readonly accelerator: string | null;
  readonly diskPath: string;
  readonly consoleLog: string;
  readonly secrets: readonly SecretSummary[];
  /** Why the last start failed, when `status` is "failed". */
  readonly lastError: string | null;
}

export interface CreateVmOptions extends PolicyOptions {
  readonly name: string;
  /** Name or reference of an image; pulled when it is absent. */
  readonly image: string;
  /** How registries are reached when it is. */
  readonly registry?: RegistryOptions;
  /** Default 1. */
  readonly cpus?: number;
  /** Default 512 MiB. */
  readonly memoryBytes?: number;
  /** At least the image's own size. Default 8 GiB (or the image's size when that is larger). */
  readonly diskBytes?: number;
  /** Name of a kernel, or path of a kernel file (imported). Default: the installation's default kernel. */
  readonly kernel?: string;
  /** "default", "none", or a subnet (CIDR) to take the VM's addresses from. */
  readonly network?: string;
  readonly ports?: readonly PortMapping[];
  readonly secrets?: readonly SecretOptions[];
  readonly environment?: Readonly<Record<string, string>>;
  /** User for `exec` and `ssh`. Default root. */
  readonly user?: string;
  readonly bootArguments?: string;
  /** Runs in place of the image's ENTRYPOINT and CMD (beside the image's own init when it has one). */
  readonly command?: readonly string[];
  /** False boots without starting any command, the image's own included (its init still runs). Default true. */
  readonly runCommand?: boolean;
  /** Further public keys (authorized_keys lines) that may log in. */
  readonly authorizedKeys?: readonly string[];
  /** For the cloud-init of an image that has one: its content, at most 256 KiB. Forks get it too, as new instances. */
  readonly userData?: string;
  /** Copy the image's disk where the storage cannot clone. */
  readonly fullCopy?: boolean;
  /** Default true. */
  readonly start?: boolean;
  /** What happens when the command ends. Default "stay". */
  readonly onExit?: "stay" | "poweroff";
  /** The library deletes the VM when the handle is disposed. Default false. */
  readonly ephemeral?: boolean;
}

/** Default policy: the source's. What is said of one replaces that as a whole. */
export interface ForkVmOptions extends PolicyOptions {
  /** With `count`: what the forks' names begin with. */
  readonly name: string;
  /** Makes this many forks of one moment, called NAME-1, NAME-2, ...; all or none. Default: one, called NAME. */
  readonly count?: number;
  readonly cpus?: number;
  readonly memoryBytes?: number;
  readonly diskBytes?: number;
  readonly kernel?: string;
  readonly network?: string;
  /** Default: the source's, with its placeholders. */
  readonly secrets?: readonly SecretOptions[];
  /** Default true. */
  readonly start?: boolean;
  readonly fullCopy?: boolean;
}

export interface DeleteVmOptions {
  /** Takes a running VM down first, and takes along what depends on the VM: its snapshots, and where forks cannot
   *  do without it (zfs), those too. */
  readonly force?: boolean;
  /** Where forks cannot do without the VM: makes them independent first. */
  readonly keepForks?: boolean;
}

/** Sizes and kernel are changed of a stopped VM, the rest also of one that runs. */
export interface UpdateVmOptions extends PolicyOptions {
  readonly cpus?: number;
  readonly memoryBytes?: number;
  readonly kernel?: string;
  /** All that the VM is to have from now on; a secret that keeps its name keeps its placeholder. */
  readonly secrets?: readonly SecretOptions[];
}

export interface StopVmOptions {
  /** Kill the hypervisor at once: power loss for the guest. */
  readonly force?: boolean;
  /** How long the guest may take before it is killed. Default 30 s. */
  readonly timeoutMs?: number;
}

/** Live numbers of one VM (`vm stats`); `guest` is null when the agent does not answer. */
export interface VmStats {
  readonly name: string;
  readonly status: VmStatus;
  readonly cpuSeconds: number | null;
  readonly hostMemoryBytes: number | null;
  /** What went through the VM's devices since its start; null where the hypervisor does not count it. */
  readonly io: {
    readonly diskReadBytes: number;
    readonly diskWrittenBytes: number;
    readonly networkReceivedBytes: number;
    readonly networkSentBytes: number;
  } | null;
  /** What its network counts; null where nobody does. */
  readonly network: Omit<VmNetworkStatus, "id" | "name" | "linked"> | null;
  readonly guest: {
    readonly loadAverage: number;
    readonly memoryTotalBytes: number;
    readonly memoryAvailableBytes: number;
    readonly diskTotalBytes: number;
    readonly diskUsedBytes: number;
    readonly receivedBytes: number;
    readonly sentBytes: number;
    readonly processes: number;
  } | null;
}
