import type { Egress, PublishedPort } from "../network.ts";
import type { NetworkNames } from "./names.ts";

/** What the firewall must know of a VM. */
export interface GuestRules {
  readonly tap: string;
  readonly address: string;
  /** False: nothing but answers to the host. */
  readonly connected: boolean;
  readonly egress: Egress;
  readonly resolvers: readonly string[];
  readonly ports: readonly PublishedPort[];
}

export interface Outside {
  /** Interfaces that lead outside now, by the host's routes or as the user says. */
  readonly interfaces: readonly string[];
  /** The user named it: nothing else is the outside, whatever the routes say. */
  readonly pinned: boolean;
}

/**
 * The installation's table, to be loaded in one transaction: chains are written anew, sets and maps keep what is in
 * them, so it costs the same with one VM and with thousands.
 *
 * A drop here is final whatever other tables say; an accept ends only our own chain (nft(8)), so where others refuse,
 * permits.ts asks them too. What VMs may do, and what may be done to them, is decided here alone.
 */
export function tableRules(names: NetworkNames, outside: Outside, subnet?: string): string {
  const { table, prefix } = names;
  const ours = `"${prefix}*"`;
  const interfaces = outside.interfaces.map((name) => `"${name}"`).join(", ");
  return `
add table inet ${table}
add set inet ${table} guests { type ifname . ipv4_addr; }
add set inet ${table} addresses { type ipv4_addr; }
add set inet ${table} closed { type ifname; }
add set inet ${table} subnet { type ipv4_addr; flags interval; }
${subnet === undefined ? "" : `add element inet ${table} subnet { ${subnet} }`}
add map inet ${table} policies { type ifname : verdict; }
${["tcp", "udp"].map((protocol) => portMaps(table, protocol)).join("\n")}
${chain(table, "siblings", "", [`oifname ${ours} accept`, "reject with icmpx type admin-prohibited"])}
${chain(table, "nowhere", "", ["drop"])}
${chain(table, "outside", "", [
  ...(interfaces === "" ? [] : [`oifname { ${interfaces} } accept`]),
  // Containers and other VMs of the host sit behind bridges, and are no more the outside than the host is.
  ...(outside.pinned ? [] : ['meta oifkind != { "bridge", "veth", "tun" } accept']),
  "reject with icmpx type admin-prohibited",
])}
${chain(table, "anywhere", "", [`oifname ${ours} accept`, "goto outside"])}
${chain(table, "input", "type filter hook input priority filter - 10; policy accept;", [
  `iifname ${ours} iifname . ip saddr != @guests drop`,
  `iifname ${ours} ct state established,related accept`,
  `iifname ${ours} reject with icmpx type admin-prohibited`,
])}
${chain(table, "forward", "type filter hook forward priority filter - 10; policy accept;", [
  `iifname ${ours} iifname . ip saddr != @guests drop`,
  `iifname ${ours} meta nfproto ipv6 drop`,
  `oifname ${ours} ct state established,related accept`,
  "oifname @closed drop",
  `iifname ${ours} ct state established,related accept`,
  // Somebody on this host has changed where it goes: it was meant for an address of the host.
  `iifname ${ours} ct status dnat drop`,
  `iifname ${ours} iifname vmap @policies`,
  `iifname ${ours} drop`,
  `oifname ${ours} ct status dnat accept`,
  `oifname ${ours} drop`,
])}
${chain(table, "prerouting", "type nat hook prerouting priority dstnat; policy accept;", [
  `iifname ${ours} return`,
  ...translations,
])}
${chain(table, "output", "type nat hook output priority -100; policy accept;", translations)}
${chain(table, "postrouting", "type nat hook postrouting priority srcnat; policy accept;", [
  `ip saddr @addresses oifname != ${ours} masquerade`,
  // From the host's loopback: the guest could not answer there.
  `oifname ${ours} ip saddr 127.0.0.0/8 masquerade`,
])}
`;
}

const translations = ["tcp", "udp"].flatMap((protocol) => [
  `dnat ip to ip daddr . ${protocol} dport map @at_${protocol}`,
  `fib daddr type local dnat ip to ${protocol} dport map @any_${protocol}`,
]);

function portMaps(table: string, protocol: string): string {
  return [
    `add map inet ${table} at_${protocol} { type ipv4_addr . inet_service : ipv4_addr . inet_service; }`,
    `add map inet ${table} any_${protocol} { type inet_service : ipv4_addr . inet_service; }`,
  ].join("\n");
}

/** An existing chain keeps its hook, and gets these rules in place of those it had. */
function chain(table: string, name: string, hook: string, rules: readonly string[]): string {
  const head = hook === "" ? "" : ` { ${hook} }`;
  return [
    `add chain inet ${table} ${name}${head}`,
    `flush chain inet ${table} ${name}`,
    ...rules.map((rule) => `add rule inet ${table} ${name} ${rule}`),
  ].join("\n");
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
    ...(guest.connected ? guest.ports : []).map((port) => portElement(table, port, guest.address)),
  ].join("\n")}\n`;
}

function policyOf(table: string, guest: GuestRules): string[] {
  const verdict = (chainName: string): string =>
    `add element inet ${table} policies { "${guest.tap}" : goto ${chainName} }`;
  if (!guest.connected) return [verdict("nowhere")];
  if (guest.egress === "all") return [verdict("anywhere")];
  if (guest.egress === "none") return [verdict("siblings")];
  const own = chainOf(guest.tap);
  const resolvers = guest.resolvers.join(", ");
  return [
    chain(table, own, "", [
      `ip daddr { ${guest.egress.join(", ")} } goto anywhere`,
      `ip daddr { ${resolvers} } meta l4proto { tcp, udp } th dport 53 goto outside`,
      "goto siblings",
    ]),
    verdict(own),
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
