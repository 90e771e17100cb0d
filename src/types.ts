/**
 * The public shapes of ember: what the library takes and gives, and what `--format json` prints.
 * Sizes are bytes (powers of 1024), times ISO 8601 in UTC, names as architecture.md section 8 lays down.
 */

export type VmStatus = "created" | "running" | "paused" | "stopped" | "failed";

/** A host port that leads to a port of the guest. */
export interface PortMapping {
  readonly protocol: "tcp" | "udp";
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly guestPort: number;
}

/** A port of this host; without an address, at whichever it is published. */
export interface HostPort {
  readonly protocol: "tcp" | "udp";
  readonly hostAddress?: string;
  readonly hostPort: number;
  /** Only when it leads there. */
  readonly guestPort?: number;
}

/** Anywhere, nowhere, or into these networks ("10.0.0.0/8"). */
export type EgressPolicy = "all" | "none" | readonly string[];

/** A policy as users write it: the texts are those of the flags of the same names. */
export interface PolicyOptions {
  /** Default: "none" when something is allowed below, else "all". */
  readonly egress?: EgressPolicy;
  /** "HOST[:PORT]", "*.npmjs.org". */
  readonly allowHosts?: readonly string[];
  readonly denyHosts?: readonly string[];
  /** "CIDR[:PORT][/tcp|udp]". */
  readonly allowCidrs?: readonly string[];
  readonly denyCidrs?: readonly string[];
}

/** What a rule does with what it fits. */
export type PolicyAction = "allow" | "refuse";

/** A rule about a host's name: exact, or "*." and what any name below may end with. Lower case, punycode, no dot at the end. */
export interface HostRule {
  readonly action: PolicyAction;
  readonly host: string;
  /** 0: any. */
  readonly port: number;
  /** The rule as a flag, "--allow-host *.npmjs.org": its name in refusals, counters and records. */
  readonly text: string;
}

/** A rule about addresses: an IPv4 or IPv6 network. */
export interface AddressRule {
  readonly action: PolicyAction;
  readonly cidr: string;
  /** 0: any. */
  readonly port: number;
  /** "": any, those without ports too. */
  readonly protocol: "" | "tcp" | "udp";
  readonly text: string;
}

export type PolicyRule = HostRule | AddressRule;

/** Where a VM may open connections to besides its siblings. Rules that refuse win over those that allow; else the default. */
export interface NetworkPolicy {
  readonly default: PolicyAction;
  readonly rules: readonly PolicyRule[];
}

/** What is known of one destination that a VM tried to reach (`net audit`). */
export interface NetworkFlow {
  readonly protocol: "tcp" | "udp" | "icmp" | "dns";
  /** "" where only the address is known. */
  readonly name: string;
  /** How the name is known: what the client said (TLS, HTTP), or what the resolver had answered or was asked. */
  readonly by: "sni" | "host" | "answer" | "address" | "question";
  /** "" for a name that was only asked for. */
  readonly address: string;
  readonly port: number;
  readonly verdict: "allowed" | "refused";
  /** The rule that decided; "" for the default. */
  readonly rule: string;
  readonly count: number;
  readonly firstAt: string;
  readonly lastAt: string;
}

/** What a VM reached and was refused (`net audit`). */
export interface NetworkAudit {
  readonly vm: string;
  /** By name, address and port. */
  readonly flows: readonly NetworkFlow[];
  /** The policy that allows exactly what was reached, and refuses the rest. */
  readonly learned: NetworkPolicy;
}

/** Where a VM's name leads on this host (`net resolver`). */
export interface HostName {
  /** "web.ember.internal" */
  readonly name: string;
  readonly address: string;
}

/** How this host finds VMs by name (`net resolver`). */
export interface HostResolver {
  /** On the loopback, where the network answers the host's questions while VMs run; null: nowhere. */
  readonly port: number | null;
  /** By name. */
  readonly names: readonly HostName[];
}

/** The network of an installation now (`net status`). */
export interface NetworkStatus {
  readonly driver: string;
  /** Of the driver's own process; null where it has none, or none runs. */
  readonly process: { readonly pid: number; readonly version: string; readonly startedAt: string } | null;
  /** VMs that are attached. */
  readonly vms: readonly VmNetworkStatus[];
}

export interface VmNetworkStatus {
  readonly id: string;
  readonly name: string;
  /** Whether the hypervisor's frames come. */
  readonly linked: boolean;
  /** Connections and, without such, exchanges that the policy allowed and refused. */
  readonly allowed: number;
  readonly refused: number;
  /** Frames with an address that is not the VM's, all dropped. */
  readonly spoofed: number;
  /** Open now. */
  readonly connections: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** A secret that a VM is to have. */
export interface SecretOptions {
  /** Of the variable in the guest. */
  readonly name: string;
  readonly value: string;
  /** "HOST[:PORT]" has no port here: TLS to any port of these hosts. */
  readonly hosts: readonly string[];
}

/** A value that reaches only the named hosts: the guest has a placeholder in its place. */
export interface SecretSummary {
  /** Of the variable in the guest that holds the placeholder. */
  readonly name: string;
  /** Host patterns, as in `HostRule`. */
  readonly hosts: readonly string[];
}

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

/** A VM's disk as it was at one time. */
export interface SnapshotSummary {
  readonly id: string;
  readonly vm: string;
  readonly name: string;
  /** Size of the disk then. */
  readonly diskBytes: number;
  /** What the VM did then; a running VM's file systems were frozen, so that what it had written is whole. */
  readonly vmStatus: VmStatus;
  readonly createdAt: string;
}

/** One file that differs between two states of a disk. */
export interface FileChange {
  readonly change: "added" | "modified" | "removed";
  /** Absolute, in the guest. Bytes that are not UTF-8 appear as U+FFFD. */
  readonly path: string;
  readonly type: "file" | "directory" | "symlink" | "device" | "fifo" | "socket";
  /** What differs, for "modified": "content", "mode", "owner", "xattrs", "type", "target", "device". */
  readonly aspects: readonly string[];
  /** Sizes of a file's content; null where there is none. */
  readonly sizeBefore: number | null;
  readonly sizeAfter: number | null;
}

/** What a VM, a snapshot or an image takes on the storage. Null: the storage cannot know. */
export interface DiskUsageRow {
  readonly kind: "image" | "vm" | "snapshot";
  /** A snapshot's is VM/NAME. */
  readonly name: string;
  readonly provisionedBytes: number;
  readonly referencedBytes: number | null;
  readonly exclusiveBytes: number | null;
  readonly sharedBytes: number | null;
  /** `referencedBytes` before compression. */
  readonly logicalBytes: number | null;
  /** logicalBytes / referencedBytes. */
  readonly compressionRatio: number | null;
  /** What deleting it would free, for a VM together with its snapshots. */
  readonly freesBytes: number | null;
}

export interface StorageReport {
  readonly storage: string;
  readonly path: string;
  readonly pool: {
    readonly capacityBytes: number;
    readonly usedBytes: number;
    readonly freeBytes: number;
    readonly reservedBytes: number | null;
  };
  /** Images, then VMs, each followed by its snapshots; by name. */
  readonly disks: readonly DiskUsageRow[];
}

/** How much copy-on-write saves. */
export interface StorageEfficiency {
  readonly images: CountedBytes;
  readonly vms: CountedBytes;
  readonly snapshots: CountedBytes;
  /** Sum of what all refer to, as if nothing were shared. */
  readonly logicalBytes: number | null;
  /** What they really take together. */
  readonly actualBytes: number | null;
  /** logicalBytes / actualBytes. */
  readonly ratio: number | null;
}

export interface CountedBytes {
  readonly count: number;
  readonly logicalBytes: number | null;
}

export interface TrimReport {
  readonly vm: string;
  /** False: the VM did not run; its disk was trimmed when it was stopped. */
  readonly trimmed: boolean;
  /** What the guest's file systems said that they discarded. */
  readonly trimmedBytes: number;
}

/** A node of `vm tree`: images at the root, below each the VMs made from it, below a VM its snapshots and forks. */
export interface TreeNode {
  readonly kind: "image" | "vm" | "snapshot";
  readonly name: string;
  /** A VM's status; null for the others. */
  readonly status: VmStatus | null;
  /** Bytes of its own; null when the storage cannot know, or is not available. */
  readonly exclusiveBytes: number | null;
  readonly children: readonly TreeNode[];
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

export interface ImageSummary {
  readonly id: string;
  /** Name that `--image` takes: a full OCI reference, or the name given on bootstrap or import. */
  readonly name: string;
  /** Digest of the manifest (or of the tarball) it was made from. */
  readonly digest: string;
  readonly architecture: string;
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

/** Told while something takes long. `done` and `total` are bytes, or with `unit` "items" a number of things. */
export interface Progress {
  readonly step: string;
  readonly done?: number;
  readonly total?: number;
  readonly unit?: "bytes" | "items";
  /** What it consists of, where several things go on at once: the layers of an image, in their order. */
  readonly parts?: readonly ProgressPart[];
}

/** In the unit of the whole. */
export interface ProgressPart {
  readonly name: string;
  readonly done: number;
  readonly total: number;
}

/** Handed to everything that may take long. */
export interface TaskOptions {
  /** Aborting undoes what was begun and throws `interrupted`. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

export interface ExecOptions {
  readonly user?: string;
  readonly workdir?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Give the command a terminal of this size. */
  readonly terminal?: { readonly columns: number; readonly rows: number; readonly type: string };
  /** Told the terminal's new size. */
  readonly onResize?: (listener: (size: { columns: number; rows: number }) => void) => () => void;
  /** Standard input; default empty. */
  readonly stdin?: NodeJS.ReadableStream | string | Uint8Array;
  readonly stdout?: NodeJS.WritableStream;
  readonly stderr?: NodeJS.WritableStream;
  /** Leave it running and return at once. */
  readonly detach?: boolean;
  /** The command is killed and `timeout` is thrown when it takes longer. Default: no limit. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface ExecResult {
  /** The command's own exit status; 128 + n when signal n killed it. */
  readonly exitStatus: number;
  /** What it printed, unless `stdout`/`stderr` were given. */
  readonly stdout: string;
  readonly stderr: string;
  /** Process id in the guest, for a detached command. */
  readonly pid?: number;
}
