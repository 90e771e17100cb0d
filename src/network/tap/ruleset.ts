import type { NftObject } from "../../host/nft.ts";
import { shortHash } from "../../host/random.ts";
import type { InspectionPorts } from "../inspector.ts";
import type { PublishedPort } from "../network.ts";
import type { NetworkPolicy } from "../policy.ts";
import type { NetworkNames } from "./names.ts";
import { inspectedRules, policyRules } from "./policy-rules.ts";

/** What the firewall must know of a VM. */
export interface GuestRules {
  readonly tap: string;
  readonly address: string;
  /** False: nothing but answers to the host. */
  readonly connected: boolean;
  readonly policy: NetworkPolicy;
  readonly resolvers: readonly string[];
  readonly ports: readonly PublishedPort[];
  /** Where its connections and questions go to be inspected; undefined: the host routes them. */
  readonly inspection?: InspectionPorts | undefined;
}

export interface Outside {
  /** Interfaces that lead outside now, by the host's routes or as the user says. */
  readonly interfaces: readonly string[];
  /** The user named it: nothing else is the outside, whatever the routes say. */
  readonly pinned: boolean;
}

/** The installation's table, without what it holds of single VMs. */
export interface TableRules {
  readonly table: string;
  /** Sets and maps: name and declaration. They keep what is in them when they are declared again. */
  readonly sets: readonly (readonly [name: string, declaration: string])[];
  /** In such an order that a chain comes after those that it jumps to. */
  readonly chains: readonly ChainRules[];
  readonly subnet: string | undefined;
}

interface ChainRules {
  readonly name: string;
  /** How a base chain is hooked in; empty for others. */
  readonly hook: string;
  readonly rules: readonly string[];
}

/**
 * A drop here is final whatever other tables say; an accept ends only our own chain (nft(8)), so where others refuse,
 * permits.ts asks them too. What VMs may do, and what may be done to them, is decided here alone.
 */
export function tableRules(names: NetworkNames, outside: Outside, subnet?: string): TableRules {
  const ours = `"${names.prefix}*"`;
  const interfaces = outside.interfaces.map((name) => `"${name}"`).join(", ");
  const chain = (name: string, hook: string, rules: readonly string[]): ChainRules => ({ name, hook, rules });
  return {
    table: names.table,
    sets: [
      ["guests", "set { type ifname . ipv4_addr; }"],
      ["addresses", "set { type ipv4_addr; }"],
      ["closed", "set { type ifname; }"],
      ["subnet", "set { type ipv4_addr; flags interval; }"],
      ["policies", "map { type ifname : verdict; }"],
      ["inspected_tcp", "map { type ifname : inet_service; }"],
      ["inspected_dns", "map { type ifname : inet_service; }"],
      ["inspectors", "set { type ifname . inet_service; }"],
      ...["tcp", "udp"].flatMap((protocol) => portMaps(protocol)),
    ],
    chains: [
      chain("refused", "", [
        // What is open when a policy changes ends at once.
        "meta l4proto tcp reject with tcp reset",
        "reject with icmpx type admin-prohibited",
      ]),
      chain("siblings", "", [`oifname ${ours} accept`, "goto refused"]),
      chain("siblings_first", "", [`oifname ${ours} accept`]),
      chain("nowhere", "", ["drop"]),
      chain("outside", "", [
        ...(interfaces === "" ? [] : [`oifname { ${interfaces} } accept`]),
        // Containers and other VMs of the host sit behind bridges, and are no more the outside than the host is.
        ...(outside.pinned ? [] : ['meta oifkind != { "bridge", "veth", "tun" } accept']),
        "goto refused",
      ]),
      chain("anywhere", "", [`oifname ${ours} accept`, "goto outside"]),
      chain("input", "type filter hook input priority filter - 10; policy accept;", [
        `iifname ${ours} iifname . ip saddr != @guests drop`,
        `iifname ${ours} ct state established,related accept`,
        `meta l4proto { tcp, udp } iifname . th dport @inspectors ct status dnat accept`,
        `iifname ${ours} reject with icmpx type admin-prohibited`,
      ]),
      chain("forward", "type filter hook forward priority filter - 10; policy accept;", [
        `iifname ${ours} iifname . ip saddr != @guests drop`,
        `iifname ${ours} meta nfproto ipv6 drop`,
        `oifname ${ours} ct state established,related accept`,
        "oifname @closed drop",
        // What the VM itself began is looked at in every packet, so that a policy holds for open connections as well.
        `iifname ${ours} ct state related accept`,
        `iifname ${ours} ct direction reply ct state established accept`,
        // Somebody on this host has changed where it goes: it was meant for an address of the host.
        `iifname ${ours} ct status dnat drop`,
        `iifname ${ours} iifname vmap @policies`,
        `iifname ${ours} drop`,
        `oifname ${ours} ct status dnat accept`,
        `oifname ${ours} drop`,
      ]),
      chain("prerouting", "type nat hook prerouting priority dstnat; policy accept;", [
        ...inspections.map((inspection) => `ip daddr != @addresses ${inspection}`),
        `iifname ${ours} return`,
        ...translations,
      ]),
      chain("output", "type nat hook output priority -100; policy accept;", translations),
      chain("postrouting", "type nat hook postrouting priority srcnat; policy accept;", [
        `ip saddr @addresses oifname != ${ours} masquerade`,
        // From the host's loopback: the guest could not answer there.
        `oifname ${ours} ip saddr 127.0.0.0/8 masquerade`,
      ]),
    ],
    subnet,
  };
}

const translations = ["tcp", "udp"].flatMap((protocol) => [
  `dnat ip to ip daddr . ${protocol} dport map @at_${protocol}`,
  `fib daddr type local dnat ip to ${protocol} dport map @any_${protocol}`,
]);

/** What is meant for the host itself is refused in its input, and siblings are reached as ever. */
const inspections: readonly string[] = [
  "meta l4proto { tcp, udp } th dport 53 redirect to :iifname map @inspected_dns",
  "fib daddr type != local meta l4proto tcp redirect to :iifname map @inspected_tcp",
];

function portMaps(protocol: string): [name: string, declaration: string][] {
  return [
    [`at_${protocol}`, "map { type ipv4_addr . inet_service : ipv4_addr . inet_service; }"],
    [`any_${protocol}`, "map { type inet_service : ipv4_addr . inet_service; }"],
  ];
}

/** For nft, in one transaction: chains are written anew, sets and maps keep what is in them. */
export function render({ table, sets, chains, subnet }: TableRules): string {
  const declared = sets.map(([name, declaration]) =>
    declaration.replace(/^(\w+) /, (_, kind: string) => `add ${kind} inet ${table} ${name} `),
  );
  const lines = [
    `add table inet ${table}`,
    ...declared,
    ...(subnet === undefined ? [] : [`add element inet ${table} subnet { ${subnet} }`]),
    ...chains.map((chain) => renderChain(table, chain)),
  ];
  return `${lines.join("\n")}\n`;
}

/** An existing chain keeps its hook, and gets these rules in place of those it had. */
function renderChain(table: string, { name, hook, rules }: ChainRules): string {
  const head = hook === "" ? "" : ` { ${hook} }`;
  return [
    `add chain inet ${table} ${name}${head}`,
    `flush chain inet ${table} ${name}`,
    ...rules.map((rule) => `add rule inet ${table} ${name} ${rule} comment "${markOf(rule)}"`),
  ].join("\n");
}

/** Stands beside a rule in the kernel, which shows rules in words of its own: this one is as we wrote it. */
function markOf(rule: string): string {
  return shortHash(rule);
}

/**
 * Whether the kernel has the table as `render` writes it, by what nft lists of it. Any transaction that writes a chain anew
 * waits until no processor can be in the old one, several times as long as all else that a start does with the firewall.
 */
export function isInPlace(wanted: TableRules, listed: readonly NftObject[]): boolean {
  const namesOf = (...kinds: string[]): unknown[] =>
    listed.filter(({ kind }) => kinds.includes(kind)).map(({ fields }) => fields["name"]);
  const sets = namesOf("set", "map");
  return (
    wanted.sets.every(([name]) => sets.includes(name)) &&
    wanted.chains.every(({ name, hook, rules }) => {
      const chain = listed.find(({ kind, fields }) => kind === "chain" && fields["name"] === name);
      const marks = listed
        .filter(({ kind, fields }) => kind === "rule" && fields["chain"] === name)
        .map(({ fields }) => fields["comment"]);
      const hooked = hook === "" || chain?.fields["policy"] === "accept";
      return chain !== undefined && hooked && marks.join() === rules.map(markOf).join();
    })
  );
}

/** Adds one VM to the sets and maps, which must not know it yet. */
export function guestRules({ table }: NetworkNames, guest: GuestRules): string {
  const element = (set: string, value: string): string => `add element inet ${table} ${set} { ${value} }`;
  return `${[
    // Fails when it is there already: then the rest of what is there may be of other settings.
    `create element inet ${table} guests { "${guest.tap}" . ${guest.address} }`,
    element("addresses", guest.address),
    ...(guest.connected ? [] : [element("closed", `"${guest.tap}"`)]),
    ...policyOf(table, guest),
    ...inspectionOf(guest, element),
    ...(guest.connected ? guest.ports : []).map((port) => portElement(table, port, guest.address)),
  ].join("\n")}\n`;
}

function policyOf(table: string, guest: GuestRules): string[] {
  const verdict = (chainName: string): string =>
    `add element inet ${table} policies { "${guest.tap}" : goto ${chainName} }`;
  if (!guest.connected) return [verdict("nowhere")];
  const { policy, resolvers, inspection } = guest;
  const rules = inspection === undefined ? policyRules(policy, resolvers) : inspectedRules(policy);
  if (typeof rules === "string") return [verdict(rules)];
  const own = chainOf(guest.tap);
  return [renderChain(table, { name: own, hook: "", rules }), verdict(own)];
}

function inspectionOf(
  { tap, connected, inspection }: GuestRules,
  element: (set: string, value: string) => string,
): string[] {
  if (!connected || inspection === undefined) return [];
  const { tcp, dns } = inspection;
  return [
    element("inspected_tcp", `"${tap}" : ${tcp}`),
    element("inspected_dns", `"${tap}" : ${dns}`),
    element("inspectors", `"${tap}" . ${tcp}, "${tap}" . ${dns}`),
  ];
}

export function chainOf(tap: string): string {
  return `vm_${tap}`;
}

function portElement(table: string, port: PublishedPort, address: string): string {
  const target = `${address} . ${port.guestPort}`;
  return port.hostAddress === "0.0.0.0"
    ? `add element inet ${table} any_${port.protocol} { ${port.hostPort} : ${target} }`
    : `add element inet ${table} at_${port.protocol} { ${port.hostAddress} . ${port.hostPort} : ${target} }`;
}
