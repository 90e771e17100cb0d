import { readFileSync } from "node:fs";
import { isIPv4 } from "node:net";
import { parseRoutes, type Route4 } from "../../host/ip.ts";
import { formatNetwork4, parseNetwork4, sizeOf } from "../ipv4.ts";
import type { SubnetClash } from "../network.ts";

/** What the host's own network looks like now: read at each use, since it changes under us. */

export function hostRoutes(): readonly Route4[] {
  return parseRoutes(readOrNothing(routesFile));
}

const routesFile = "/proc/net/route";

/** Interfaces of the default routes, the preferred one first. */
export function defaultInterfaces(): readonly string[] {
  // Of all lines, one for each VM, only those are taken apart whose destination is 0.0.0.0 or 128.0.0.0, in either order of bytes.
  const lines = readOrNothing(routesFile).split("\n");
  const few = lines.filter(
    (line, index) => index === 0 || /^\S+\t(?:00000000|80000000|00000080)\t/.test(line),
  );
  // Programs for private networks (OpenVPN, WireGuard) take the default route's place with two halves of it.
  const defaults = parseRoutes(few.join("\n")).filter(({ network }) => isDefault(network));
  return [...new Set(defaults.sort((a, b) => a.metric - b.metric).map((route) => route.device))];
}

/** Used where the host has no resolver that a guest could ask: Cloudflare's and Quad9's. */
const publicResolvers = ["1.1.1.1", "9.9.9.9"];
const mostResolvers = 3;

/**
 * Resolvers that a guest can ask. A resolver of the host's own (127.0.0.53, an address of its interfaces) is out of
 * a guest's reach: then what that one asks itself is taken, which systemd-resolved writes down.
 */
export function upstreamResolvers(files: readonly string[] = resolverFiles): {
  readonly addresses: readonly string[];
  readonly fallback: boolean;
} {
  const isOwn = ownAddressTest();
  for (const file of files) {
    const named = readOrNothing(file)
      .split("\n")
      .flatMap((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? [])
      .filter((address) => isIPv4(address) && !/^(127\.|0\.|169\.254\.)/.test(address) && !isOwn(address));
    if (named.length > 0) return { addresses: named.slice(0, mostResolvers), fallback: false };
  }
  return { addresses: publicResolvers, fallback: true };
}

const resolverFiles = [
  "/etc/resolv.conf",
  "/run/systemd/resolve/resolv.conf",
  "/run/NetworkManager/no-stub-resolv.conf",
];

/**
 * Whether an address is one of this host's: then the kernel's routing table has it as `|-- ADDRESS` with `/32 host LOCAL`
 * among the lines below. (A list of all addresses takes longer with each VM.)
 */
function ownAddressTest(): (address: string) => boolean {
  const trie = readOrNothing("/proc/net/fib_trie");
  return (address) =>
    new RegExp(`\\|-- ${address.replaceAll(".", "\\.")}\n(?: +/\\d+ .*\n)*? +/32 host LOCAL`).test(trie);
}

/** What of the host `subnet` overlaps with; interfaces that begin with `prefix` are this installation's own. */
export function findClash(
  subnet: string,
  prefix: string,
  routes: readonly Route4[],
  others: readonly string[],
): SubnetClash | undefined {
  const taken = routes.filter(({ device, network }) => !isDefault(network) && !device.startsWith(prefix));
  const other = others.find((network) => overlap(subnet, network));
  const clash = taken.find(({ network }) => overlap(subnet, network));
  if (clash === undefined && other === undefined) return undefined;
  const used = [...taken.map(({ network }) => network), ...others];
  const { prefix: length } = parseNetwork4(subnet);
  return {
    why:
      clash === undefined
        ? `overlaps with the subnet ${other} of another ember installation on this host`
        : `overlaps with the route ${clash.network} of interface '${clash.device}'`,
    free: candidates(length).find((candidate) => used.every((network) => !overlap(candidate, network))),
  };
}

function isDefault(network: string): boolean {
  return ["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1"].includes(network);
}

function overlap(a: string, b: string): boolean {
  const [first, second] = [parseNetwork4(a), parseNetwork4(b)];
  const [firstEnd, secondEnd] = [first, second].map(({ base, prefix }) => base + sizeOf(prefix));
  return first.base < (secondEnd ?? 0) && second.base < (firstEnd ?? 0);
}

/** One network of that size in each of 10.100 to 10.255, then 172.16 to 172.31. */
function candidates(length: number): readonly string[] {
  const starts = [
    ...Array.from({ length: 156 }, (_, index) => `10.${100 + index}.0.0/16`),
    ...Array.from({ length: 16 }, (_, index) => `172.${16 + index}.0.0/16`),
  ];
  if (length < 16) return ["10.0.0.0/8", "172.16.0.0/12"].flatMap((wide) => firstOf(wide, length));
  return starts.flatMap((start) => firstOf(start, length));
}

function firstOf(network: string, length: number): string[] {
  const { base, prefix } = parseNetwork4(network);
  return prefix <= length ? [formatNetwork4({ base, prefix: length })] : [];
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // this host does not have it
  }
}
