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
