import type { NicSpec, PortForward } from "../hypervisor/hypervisor.ts";

/** What the guest is told about its network at boot (see src/guest/identity.ts). */
export interface GuestNetwork {
  readonly mac: string;
  /** Address with prefix length, "10.100.0.3/29". */
  readonly address: string;
  readonly gateway: string | null;
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

/** Where a VM may open connections to, besides its siblings: anywhere, nowhere, or into these networks (CIDR). */
export type Egress = "all" | "none" | readonly string[];

/** A VM's place on the network, as kept in the database. */
export interface VmNetwork {
  readonly vmId: string;
  /** "none": no way out and no published port; the agent stays reachable. */
  readonly mode: "default" | "none";
  readonly mac: string;
  /** The VM's own block out of the installation's subnet, CIDR. */
  readonly block: string;
  readonly ports: readonly PublishedPort[];
  readonly egress: Egress;
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

  /** Post-condition: nothing of the VM's network is left on the host. */
  detach(vmId: string): Promise<void>;

  /** Post-condition: nothing of the installation's network is left on the host. For `deinit`, when no VM runs. */
  close(): Promise<void>;
}
