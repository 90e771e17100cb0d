import type { ProcessIdentity } from "../host/process-identity.ts";
import type { AgentEndpoint } from "../network/network.ts";

/** How the guest's instructions are run: by hardware (kvm, hvf) or by software emulation (tcg). */
export type Accelerator = "kvm" | "hvf" | "tcg";

/** One disk of a VM. Drives appear in the guest in order as /dev/vda, /dev/vdb, ... */
export interface DriveSpec {
  readonly path: string;
  readonly format: "raw" | "qcow2";
  readonly readOnly: boolean;
}

/** A network interface, as a network driver describes it to a hypervisor. */
export type NicSpec =
  /** Frames to and from a program on the host, over a Unix socket as `HypervisorCapabilities.frames` says. */
  | { readonly kind: "socket"; readonly mac: string; readonly mtu: number; readonly path: string }
  | { readonly kind: "tap"; readonly mac: string; readonly device: string }
  /** macOS's own network, translated by the host. It forwards no ports: the hypervisor does. */
  | {
      readonly kind: "vmnet";
      readonly mac: string;
      /** No interface at all; forwards from the host still work. */
      readonly isolated: boolean;
      readonly forwards: readonly PortForward[];
    };

/**
 * How frames pass over a Unix socket. "stream": the hypervisor listens, each frame comes after its length in four bytes.
 * "datagram": the program is bound at the path, one frame each.
 */
export type FrameLink = "stream" | "datagram";

/** `hostAddress:hostPort` on the host leads to `guestPort` in the guest. */
export interface PortForward {
  readonly protocol: "tcp" | "udp";
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly guestPort: number;
}

/** Everything a hypervisor needs to run one VM. Plain data: it is kept in the journal. */
export interface VmSpec {
  readonly vmId: string;
  /** The VM's own folder, absolute: working directory of the hypervisor, place of its logs. */
  readonly folder: string;
  /** Folder for sockets, short and private to the owner. */
  readonly runtimeFolder: string;
  readonly accelerator: Accelerator;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly kernelPath: string;
  readonly initrdPath: string;
  /** Extra kernel arguments; the driver adds what its own devices need (console and so on). */
  readonly bootArguments: string;
  readonly drives: readonly DriveSpec[];
  readonly nic: NicSpec | undefined;
  /** File that receives everything the guest writes to its console, relative to `folder`. */
  readonly consoleLog: string;
  /** Existing cgroup v2 folder that the process must run in, where the host has them. */
  readonly controlGroup?: string | undefined;
  /** The VM's own numeric user and group on the host, nobody else's there: for a driver that drops privileges. */
  readonly userId?: number | undefined;
}

/** What `status` reports; `paused` also when the host's disk is full, until `resume`; `gone` when the process no longer exists. */
export type MachineStatus = "running" | "paused" | "gone";

/** A running hypervisor process, as kept in the state database. */
export interface Machine {
  readonly vmId: string;
  readonly process: ProcessIdentity;
  readonly folder: string;
  readonly runtimeFolder: string;
}

/** What `start` gives. */
export interface StartedMachine extends Machine {
  /** How the agent is reached, where that is over the hypervisor and not over the network. */
  readonly agent?: AgentEndpoint | undefined;
}

/** What a driver knows of the installation that uses it. */
export interface HypervisorContext {
  /** Eight hexadecimal digits. */
  readonly installationId: string;
  /** Whether processes shall be confined where the driver can do that (`init --no-jailer` says no). */
  readonly jailer: boolean;
  /** Tells the user something that the command's result does not show. */
  readonly notice: (line: string) => void;
}

/** Facts about a driver on this host, so that a command can refuse before it changes anything. */
export interface HypervisorCapabilities {
  readonly accelerators: readonly Accelerator[];
  /** Whether `probe` tells for certain that guests run by the first of those; else a guest is tried. */
  readonly provesAcceleration?: boolean;
  readonly nics: readonly NicSpec["kind"][];
  /** Set exactly where `nics` has "socket". */
  readonly frames?: FrameLink;
  readonly diskFormats: readonly DriveSpec["format"][];
  /** How the guest makes the hypervisor exit: by powering off, or by rebooting. */
  readonly guestPowerOff: "poweroff" | "reboot";
  /** The agent is reached over the network interface ("tcp") or over vsock. */
  readonly agentTransport: "tcp" | "vsock";
  /** The hypervisor asks the guest, over vsock, for its services, which it publishes, and for its end. */
  readonly guestServices?: boolean;
  readonly maxCpus: number;
  /** Whether `start` refuses a disk that another process uses. */
  readonly locksDisks: boolean;
  /**
   * "uncompressed": a vmlinux on x86-64, an Image on arm64, and nothing else. "boot-protocol": a bzImage or an Image. Absent:
   * whatever the kernel comes as.
   */
  readonly bootFile?: "any" | "uncompressed" | "boot-protocol";
  /** Whether the process runs confined (own user, own root folder), and why not; for `info`. Absent: it never does. */
  readonly confinement?: { readonly confined: boolean; readonly reason: string };
}

/** Whether the driver can be used here: what it found, or what is missing and the remedy. */
export type HypervisorProbe =
  | { readonly usable: true; readonly version: string; readonly binary: string }
  | {
      readonly usable: false;
      readonly reason: string;
      readonly hint: string;
      /** The user should hear of it even where another driver takes its place. */
      readonly remarkable?: boolean;
    };

/**
 * One way to run VMs. Every method is idempotent: stopping what is gone, or pausing what is paused, succeeds.
 * A driver holds no state of its own: everything is in `VmSpec` and `Machine`.
 */
export interface Hypervisor {
  readonly name: string;

  /** Never throws for a host that lacks something: it says so. At most a few hundred milliseconds. */
  probe(): Promise<HypervisorProbe>;

  capabilities(): HypervisorCapabilities;

  /**
   * Starts the process, detached. Post-condition: the hypervisor runs and the guest's processors have been
   * started; the guest need not have booted. On error nothing is left running.
   * Throws `hypervisor-failed` (with what it printed), `port-taken`, `kernel-invalid`, `kernel-not-found`,
   * `tool-missing`, `host-unsupported` (no hardware virtualisation, too little memory), `wrong-state` when the VM
   * runs already or another process uses its disk, `interrupted`.
   */
  start(spec: VmSpec, signal?: AbortSignal): Promise<StartedMachine>;

  /** The process of a VM whose `start` may have been cut short at any point, found by the VM's id alone. */
  find(vmId: string, folder: string, runtimeFolder: string): Machine | undefined;

  /** Asks the guest to power off as a button does (ACPI, Ctrl-Alt-Del). Returns at once; the guest may ignore it. */
  pressPowerButton(machine: Machine): Promise<void>;

  /** Post-condition: the process is gone and its sockets are removed. Throws `hypervisor-failed` if it survives. */
  kill(machine: Machine): Promise<void>;

  /**
   * Only for a driver whose `start` makes more than sockets and logs. Post-condition: nothing of that is left, however a
   * start, a kill or the process itself ended. The process must be gone. Found by the VM's id and folders alone.
   */
  readonly clear?: (vmId: string, folder: string, runtimeFolder: string) => Promise<void>;

  /** Post-condition: no guest instruction runs until `resume`. Throws `wrong-state` when the process is gone. */
  pause(machine: Machine): Promise<void>;

  /** Post-condition: the guest runs. Throws `wrong-state` when the process is gone. */
  resume(machine: Machine): Promise<void>;

  status(machine: Machine): Promise<MachineStatus>;

  /**
   * Only where a disk can grow while the guest runs. Post-condition: the guest's disk at that place in
   * `VmSpec.drives` has that size; a file that is smaller is grown, a block device has grown before. Not to be asked
   * for less than there is. Throws `wrong-state` when the process is gone, `hypervisor-failed`.
   */
  readonly resizeDrive?: (machine: Machine, index: number, sizeBytes: number) => Promise<void>;

  /** Processor time and resident memory of the hypervisor process; undefined when it is gone. */
  usage(machine: Machine): Promise<MachineUsage | undefined>;
}

export interface MachineUsage {
  /** Processor seconds used since the start. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  /** What went through the guest's devices since the start, where the hypervisor counts it. */
  readonly io?: {
    readonly diskReadBytes: number;
    readonly diskWrittenBytes: number;
    readonly networkReceivedBytes: number;
    readonly networkSentBytes: number;
  };
}
