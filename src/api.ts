import type {
  BuildKernelOptions,
  BuiltKernelReport,
  CreateVmOptions,
  DeleteVmOptions,
  DoctorCheck,
  EmberEvent,
  ExecOptions,
  ExecResult,
  FileChange,
  ForkVmOptions,
  HostPort,
  HostResolver,
  ImageDetails,
  ImagePruneReport,
  ImageSummary,
  InitOptions,
  InstallationInfo,
  KernelSummary,
  NetworkAudit,
  NetworkStatus,
  PortMapping,
  PruneOptions,
  PruneReport,
  PullImageOptions,
  PushOptions,
  PushReport,
  ReconcileReport,
  SnapshotSummary,
  StopVmOptions,
  StorageEfficiency,
  StorageReport,
  TaskOptions,
  TreeNode,
  TrimReport,
  UpdateVmOptions,
  VmDetails,
  VmStats,
  VmSummary,
} from "./types.ts";

/** What one can do with VMs, by name. Every method that changes something recovers from killed commands first. */
export interface VmApi {
  /** Throws `vm-exists`, `invalid-name`, `image-not-found`, `disk-full`, `storage-cannot-clone`, `boot-failed`, ... */
  create(options: CreateVmOptions & TaskOptions): Promise<VmHandle>;
  /** Throws `vm-not-found`. */
  get(name: string): Promise<VmHandle>;
  /** Reads the database only. `usage` adds `usedBytes`, which looks at the storage. */
  list(options?: { readonly usage?: boolean }): Promise<readonly VmSummary[]>;
  inspect(name: string): Promise<VmDetails>;
  start(name: string, options?: TaskOptions): Promise<void>;
  stop(name: string, options?: StopVmOptions & TaskOptions): Promise<void>;
  restart(name: string, options?: StopVmOptions & TaskOptions): Promise<void>;
  pause(name: string): Promise<void>;
  resume(name: string): Promise<void>;
  /** Throws `wrong-state`, `has-dependants`. */
  delete(name: string, options?: DeleteVmOptions & TaskOptions): Promise<void>;
  /** The first of the forks. Throws as `create` does. */
  fork(source: string, options: ForkVmOptions & TaskOptions): Promise<VmHandle>;
  /** Makes the disk larger, and of a running VM the file system at once (else when it starts). Throws `unsupported`
   *  for smaller. */
  resize(name: string, diskBytes: number, options?: TaskOptions): Promise<void>;
  /** Sends the VM's disk to a registry, for `image: REF` on any host; a running one is frozen for a moment. Nothing else that
   *  the VM was given goes along. Throws `vm-not-found`, `invalid-reference`, `registry-failed`, `unsupported`. */
  push(name: string, options: PushOptions & TaskOptions): Promise<PushReport>;
  /** Images, VMs, snapshots and forks, and who came from whom. */
  tree(): Promise<readonly TreeNode[]>;
  /** Throws `wrong-state` for sizes of a VM that runs, `usage`, `unsupported`. */
  update(name: string, options: UpdateVmOptions): Promise<void>;
  /** Leads further ports of this host to the VM, also while it runs. Returns all that it has then. Throws `port-taken`. */
  publish(name: string, ports: readonly PortMapping[]): Promise<readonly PortMapping[]>;
  /** The opposite. Throws `usage` for a port that the VM does not have. */
  unpublish(name: string, ports: readonly HostPort[]): Promise<readonly PortMapping[]>;
  /** Throws `timeout`. */
  wait(
    name: string,
    state: "ready" | "stopped",
    options?: { readonly timeoutMs?: number; readonly signal?: AbortSignal },
  ): Promise<void>;
  stats(names?: readonly string[]): Promise<readonly VmStats[]>;
  /** The output of the VM's command, or with `console` everything the guest wrote to its console. Follows until aborted. */
  logs(
    name: string,
    options?: { readonly console?: boolean; readonly follow?: boolean; readonly signal?: AbortSignal },
  ): AsyncIterable<string>;
  exec(name: string, command: readonly string[], options?: ExecOptions): Promise<ExecResult>;
  /** A login shell, or a command line for the user's shell, with the user's login environment. */
  shell(name: string, commandLine: string | undefined, options?: ExecOptions): Promise<ExecResult>;
  /** Copies a file, or with `recursive` a folder. Exactly one side is in the guest. */
  copyIn(name: string, hostPath: string, guestPath: string, options?: CopyOptions): Promise<void>;
  copyOut(name: string, guestPath: string, hostPath: string, options?: CopyOptions): Promise<void>;
  /** A tar stream into a folder of the guest (`ember cp - web:/path`). */
  extractTar(
    name: string,
    tar: NodeJS.ReadableStream,
    guestFolder: string,
    options?: TaskOptions,
  ): Promise<void>;
  /** A folder or file of the guest as a tar stream (`ember cp web:/path -`). */
  createTar(
    name: string,
    guestPath: string,
    out: NodeJS.WritableStream,
    options?: TaskOptions,
  ): Promise<void>;
  /** Forwards host ports into the guest until the signal aborts or the handle is closed. Throws `port-taken`. */
  forward(
    name: string,
    ports: readonly { readonly bind: string; readonly hostPort: number; readonly guestPort: number }[],
  ): Promise<Forwarding>;
  /** OpenSSH configuration: one Host block for each VM. */
  sshConfig(names?: readonly string[]): Promise<string>;
  /** Pumps this process's standard streams to the agent: OpenSSH's ProxyCommand. */
  proxy(name: string, stdin: NodeJS.ReadableStream, stdout: NodeJS.WritableStream): Promise<void>;
}

export interface CopyOptions extends TaskOptions {
  readonly recursive?: boolean;
}

export interface Forwarding extends AsyncDisposable {
  readonly ports: readonly { readonly bind: string; readonly hostPort: number; readonly guestPort: number }[];
  /** Settles when the VM is gone. */
  readonly closed: Promise<void>;
}

/** Snapshots of VMs' disks, by the names of VM and snapshot. */
export interface SnapshotApi {
  /** Stopped VMs always; running ones are frozen by the agent for a moment. Default name: the time, as
   *  "20260131-120000". Throws `snapshot-exists`, `invalid-name`, `unsupported`, `disk-full`. */
  create(vm: string, name?: string, options?: TaskOptions): Promise<SnapshotSummary>;
  /** Of one VM or of all, oldest first. Reads the database only. */
  list(vm?: string): Promise<readonly SnapshotSummary[]>;
  /** Makes the stopped VM's disk what it was. What it is now is kept as snapshot `before-restore`, in place of the
   *  one of that name. Throws `wrong-state`, `snapshot-not-found`. */
  restore(vm: string, name: string, options?: TaskOptions): Promise<void>;
  delete(vm: string, name: string, options?: TaskOptions): Promise<void>;
  /** Files that differ between two snapshots, or a snapshot and now; by path. */
  diff(vm: string, from: string, to?: string, options?: TaskOptions): Promise<readonly FileChange[]>;
}

/** The network of an installation. */
export interface NetworkApi {
  /** What a VM reached and was refused, also of one that is stopped. Throws `vm-not-found`, `unsupported`. */
  audit(vm: string): Promise<NetworkAudit>;
  /** Empties that record. */
  forget(vm: string): Promise<void>;
  status(): Promise<NetworkStatus>;
  /** Where this host can reach the VMs by name: at their addresses, or at its loopback where ports are published. */
  hostResolver(): Promise<HostResolver>;
  /** Answers this host's questions about VMs' names at a port of its loopback, or with null nowhere. Throws `unsupported`, `port-taken`. */
  answerHost(port: number | null): Promise<HostResolver>;
}

/** The storage of an installation. */
export interface StorageApi {
  usage(): Promise<StorageReport>;
  efficiency(): Promise<StorageEfficiency>;
  /** Makes a storage that has a size of its own larger; without a size, as large as its device. */
  grow(sizeBytes?: number): Promise<void>;
  /** Discards what running guests have freed, so that their disks shrink. Default: all that run. */
  trim(vms?: readonly string[], options?: TaskOptions): Promise<readonly TrimReport[]>;
}

/** One VM. Disposing it deletes the VM when it was made with `ephemeral`, and does nothing otherwise. */
export interface VmHandle extends AsyncDisposable {
  readonly id: string;
  readonly name: string;
  inspect(): Promise<VmDetails>;
  start(options?: TaskOptions): Promise<void>;
  stop(options?: StopVmOptions & TaskOptions): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  delete(options?: { readonly force?: boolean }): Promise<void>;
  fork(options: ForkVmOptions & TaskOptions): Promise<VmHandle>;
  exec(command: readonly string[], options?: ExecOptions): Promise<ExecResult>;
  copyIn(hostPath: string, guestPath: string, options?: CopyOptions): Promise<void>;
  copyOut(guestPath: string, hostPath: string, options?: CopyOptions): Promise<void>;
}

export interface ImageApi {
  /** From a registry (any reference that Docker takes), `oci:DIR[:TAG]` or `docker-archive:FILE`. */
  pull(options: PullImageOptions & TaskOptions): Promise<ImageSummary>;
  /** From a distribution's packages, no registry: "debian", "ubuntu", or one of their suites as "debian:SUITE". */
  bootstrap(distribution: string, options?: { readonly name?: string } & TaskOptions): Promise<ImageSummary>;
  /**
   * From a Dockerfile, by buildah, podman or docker. `file` is absolute. With `orDeveloper`, a context without a Dockerfile makes
   * the developer image: Debian with systemd, common tools, and a user `dev` with sudo. Throws `build-failed`, `tool-missing`,
   * `file-not-found`.
   */
  build(
    context: string,
    options: {
      readonly name: string;
      readonly file?: string;
      readonly builder?: string;
      readonly orDeveloper?: boolean;
    } & TaskOptions,
  ): Promise<ImageSummary>;
  /** A root file system tarball (plain, gzip, xz or zstd), what `docker save` wrote, or an OCI layout, as a folder or an archive. */
  import(file: string, options: { readonly name: string } & TaskOptions): Promise<ImageSummary>;
  /** Sends the image's disk to a registry. Throws as `VmApi.push` does, and `image-not-found`. */
  push(name: string, options: PushOptions & TaskOptions): Promise<PushReport>;
  list(): Promise<readonly ImageSummary[]>;
  inspect(name: string): Promise<ImageDetails>;
  /** Throws `has-dependants` unless `force`, which deletes the VMs made from it as well. */
  delete(name: string, options?: { readonly force?: boolean } & TaskOptions): Promise<void>;
  /**
   * Deletes images that no VM was made from, and layers that are kept for later pulls: those made longer ago than `olderThanMs` and
   * of no use for `unusedForMs`, or all.
   */
  prune(
    options?: { readonly olderThanMs?: number; readonly unusedForMs?: number } & TaskOptions,
  ): Promise<ImagePruneReport>;
}

export interface KernelApi {
  list(): Promise<readonly KernelSummary[]>;
  pull(preset: string, options?: TaskOptions): Promise<KernelSummary>;
  import(
    file: string,
    options?: { readonly name?: string; readonly initrd?: string },
  ): Promise<KernelSummary>;
  /** Builds one from its source, which takes minutes. Throws `usage`, `invalid-config`, `kernel-exists`, `tool-missing`,
   *  `verification-failed`, `build-failed`, `disk-full`, ... */
  build(options?: BuildKernelOptions & TaskOptions): Promise<BuiltKernelReport>;
  setDefault(name: string): Promise<void>;
  /** Throws `has-dependants` when a VM uses it. */
  delete(name: string): Promise<void>;
}

/** An installation: one state folder. */
export interface EmberApi extends AsyncDisposable {
  readonly vms: VmApi;
  readonly images: ImageApi;
  readonly kernels: KernelApi;
  readonly snapshots: SnapshotApi;
  readonly storage: StorageApi;
  readonly network: NetworkApi;
  /** Throws `already-initialized` (before it touches anything), `storage-cannot-clone`, `host-unsupported`. */
  init(options?: InitOptions & TaskOptions): Promise<InstallationInfo>;
  /** Takes the installation off the host (mounts, sockets); the data stays, and `init` takes it up again. `purge` deletes
   *  VMs, images, kernels and the state folder as well. Throws `has-dependants` while VMs run, unless `purge`. */
  deinit(options?: { readonly purge?: boolean } & TaskOptions): Promise<void>;
  info(): Promise<InstallationInfo>;
  doctor(): Promise<readonly DoctorCheck[]>;
  reconcile(): Promise<ReconcileReport>;
  prune(options: PruneOptions): Promise<PruneReport>;
  /** Past events, then with `follow` new ones until aborted. `since` is ISO 8601. */
  events(options?: {
    readonly since?: string;
    readonly follow?: boolean;
    readonly signal?: AbortSignal;
  }): AsyncIterable<EmberEvent>;
}
