import type { FrameLink, NicSpec, PortForward } from "../hypervisor/hypervisor.ts";
import type { NetworkFlow, NetworkPolicy, NetworkStatus } from "../types.ts";
import type { NetworkAuthority, NetworkSecret } from "./policy.ts";

/** What the guest is told about its network at boot (see src/guest/identity.ts). */
export interface GuestNetwork {
  readonly mac: string;
  /** Address with prefix length, "10.100.0.3/29". */
  readonly address: string;
  readonly gateway: string | null;
  /** IPv6 address with prefix length, "fd12:3456:789a::3/64", and its gateway; absent: none is configured. */
  readonly address6?: string;
  readonly gateway6?: string;
  readonly resolvers: readonly string[];
  readonly mtu: number;
  readonly searchDomains: readonly string[];
}

/** How the host reaches the agent. */
export type AgentEndpoint =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "vsock-uds"; readonly path: string; readonly port: number };

/** What `attach` gives: one part for the hypervisor, one for the guest, one for ember's own channel. */
export interface Attachment {
  readonly nic: NicSpec;
  readonly guest: GuestNetwork;
  readonly agent: AgentEndpoint;
}

export interface PublishedPort extends PortForward {}

/** A VM's place on the network, as kept in the database. */
export interface VmNetwork {
  readonly vmId: string;
  /** The VM's name, which siblings know it by. */
  readonly name: string;
  /** "none": no way out and no published port; the agent stays reachable. */
  readonly mode: "default" | "none";
  readonly mac: string;
  /** The VM's own block out of the installation's subnet, CIDR. */
  readonly block: string;
  readonly ports: readonly PublishedPort[];
  /** What it may reach besides its siblings; nothing that the driver's `capabilities.policies` cannot hold. */
  readonly policy: NetworkPolicy;
  /** Values that requests get on their way, in place of what the guest knows. */
  readonly secrets: readonly NetworkSecret[];
  /** Signs for the hosts that secrets are for; null when there are none. */
  readonly authority: NetworkAuthority | null;
  /** How the hypervisor passes frames to a program, when it does (`HypervisorCapabilities.frames`). */
  readonly frames?: FrameLink | undefined;
  /** Who runs the hypervisor, and may open what `attach` makes for it; undefined: whoever calls. */
  readonly userId?: number | undefined;
}

/** What a driver knows of the installation that uses it. */
export interface NetworkContext {
  /** Eight hexadecimal digits; names of host resources start with some of them. */
  readonly installationId: string;
  /** Where VMs without a subnet of their own get their blocks, CIDR. */
  readonly subnet: string;
  /** Interface that leads outside; undefined: whichever the host's routes say at the time. */
  readonly outsideInterface: string | undefined;
  /** The installation's state folder, absolute: for programs that the driver unpacks. */
  readonly stateFolder: string;
  /** For sockets: short, private to the owner; may have to be made (`ensurePrivateFolder`). */
  readonly runtimeFolder: string;
  /** A VM's own folder, absolute; it exists from before `attach` until after `detach`. */
  readonly vmFolder: (vmId: string) => string;
  /** The command's environment, which says what proxies lead outside. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Runs `body` while no other command of the installation is in such a body. Throws `busy`, naming who is. */
  readonly exclusively: <T>(purpose: string, body: () => Promise<T>) => Promise<T>;
  /** Where on the loopback this host may ask for the VMs' names, as it is set now; 0: nowhere. */
  readonly hostResolverPort: () => number;
  /** Tells the user something that the command's result does not show. */
  readonly notice: (line: string) => void;
}

/** Whether the driver can be used here, or what is missing and the remedy. */
export type NetworkProbe =
  | {
      readonly usable: true;
      readonly detail: string;
      /** What does not stop it but may be felt, with the remedy. */
      readonly warning?: string;
    }
  | { readonly usable: false; readonly reason: string; readonly hint: string };

/** Why VMs cannot have a subnet. */
export interface SubnetClash {
  /** For people, after the subnet: "overlaps with the route 10.100.0.0/16 dev docker0". */
  readonly why: string;
  /** A network that they can have; undefined when none was found. */
  readonly free: string | undefined;
}

/** A network that VMs share with other machines of the host, as it is now. */
export interface Surroundings {
  /** CIDR. */
  readonly subnet: string;
  /** MAC by address, of whoever has one, ember's VMs too: an unsigned number, six pairs of lower-case digits. */
  readonly holders: ReadonlyMap<number, string>;
}

export interface NetworkCapabilities {
  /** What a hypervisor must have among its `nics`. */
  readonly nic: NicSpec["kind"];
  /** Prefix length of the block each VM gets. */
  readonly blockPrefix: number;
  /** The guest's first-byte offset in its block: block base + this is the guest's address. */
  readonly guestOffset: number;
  /** As above; in a shared network, from that network's first address. */
  readonly gatewayOffset: number;
  /** Set where all VMs are in one network of the host's, with others. */
  readonly shared?: { readonly prefix: number };
  /** Whether the VMs of an installation reach each other. */
  readonly siblings: boolean;
  /** How a guest learns its siblings' names: the host tells it lists of them ("hosts"), or it asks the driver's resolver. */
  readonly names: "hosts" | "resolver";
  /** What a VM's way out can be limited to: names, networks and ports; networks alone; or only all or nothing. */
  readonly policies: "names" | "networks" | "none";
  /** Known ways in which the network contract does not hold, told to the user by `info`. */
  readonly caveats: readonly string[];
}

/**
 * How VMs reach each other and the outside. Every method is idempotent; names of host resources derive from the
 * VM's id alone, so `detach` works after any crash.
 */
export interface Network {
  readonly name: string;
  readonly capabilities: NetworkCapabilities;

  /** Never throws for a host that lacks something: it says so. Changes nothing. */
  probe(): Promise<NetworkProbe>;

  /** Only where not every subnet will do: why one will not, this installation's own VMs left out. */
  readonly subnetClash?: (subnet: string) => Promise<SubnetClash | undefined>;

  /** Only where VMs share their network with others: an address that was free may be taken, and the network may have moved. */
  readonly surroundings?: () => Promise<Surroundings>;

  /** Prepares everything on the host. Throws `port-taken`, `permission-denied`, `tool-missing`, `host-unsupported`. */
  attach(vm: VmNetwork): Promise<Attachment>;

  /**
   * Only where the ports of a VM that runs can be changed. Post-condition: exactly `vm.ports` are published; on error
   * those from before are. Throws `port-taken`, `permission-denied`, `unsupported`.
   */
  readonly publish?: (vm: VmNetwork) => Promise<void>;

  /**
   * Only where what a running VM may reach can be changed. Post-condition: `vm.policy`, `vm.secrets` and `vm.authority`
   * hold, also for the connections that are open.
   */
  readonly applyPolicy?: (vm: VmNetwork) => Promise<void>;

  /** Only where somebody keeps a record: what a VM reached and was refused, also of a VM that is stopped. */
  readonly flows?: (vmId: string) => Promise<readonly NetworkFlow[]>;

  /** As above. Post-condition: the record is empty. */
  readonly forgetFlows?: (vmId: string) => Promise<void>;

  /** Only where a process of the driver's has settings of the installation's. Post-condition: one that runs has those of now. */
  readonly configure?: () => Promise<void>;

  /** Only where a process of the driver's counts. Does not start it: where none runs, no VM is attached. */
  readonly status?: () => Promise<Omit<NetworkStatus, "driver">>;

  /**
   * Only where a process of the driver's may be gone while VMs run. Post-condition: it runs and knows all of these running
   * VMs. True when it had been gone, or had forgotten some. In an instant when all is well. Throws as `attach` does, but
   * for a published port that somebody has taken meanwhile: that one is told of.
   */
  readonly revive?: (vms: readonly VmNetwork[]) => Promise<boolean>;

  /** Only beside `revive`: whether that process must run for this VM. Absent: for every one. */
  readonly needsProcess?: (vm: VmNetwork) => boolean;

  /** Post-condition: nothing of the VM's network is left on the host. */
  detach(vmId: string): Promise<void>;

  /** Post-condition: nothing of the installation's network is left on the host. For `deinit`, when no VM runs. */
  close(): Promise<void>;
}
