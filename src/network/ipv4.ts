import { EmberError } from "../errors/ember-error.ts";

/** An IPv4 network: `base` is its first address as an unsigned number. */
export interface Network4 {
  readonly base: number;
  readonly prefix: number;
}

/** "10.100.0.0/16". Throws `usage` when it is not a network in that form (host bits must be zero). */
export function parseNetwork4(text: string): Network4 {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(text);
  const numbers = match?.slice(1).map(Number) ?? [];
  const [a = 256, b = 256, c = 256, d = 256, prefix = 33] = numbers;
  if (a > 255 || b > 255 || c > 255 || d > 255 || prefix > 32) {
    throw new EmberError("usage", `'${text}' is not an IPv4 network`, {
      hint: "write it like 10.100.0.0/16",
    });
  }
  const base = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  if (base % sizeOf(prefix) !== 0) {
    const proper = formatNetwork4({ base: base - (base % sizeOf(prefix)), prefix });
    throw new EmberError("usage", `'${text}' has bits set beyond its prefix`, {
      hint: `you may mean ${proper}`,
    });
  }
  return { base, prefix };
}

export function formatAddress4(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");
}

export function formatNetwork4(network: Network4): string {
  return `${formatAddress4(network.base)}/${network.prefix}`;
}

/** Number of addresses in a network of this prefix length. */
export function sizeOf(prefix: number): number {
  return 2 ** (32 - prefix);
}

/** Whether the network is of a range meant for private use (RFC 1918, RFC 6598). */
export function isPrivate4(network: Network4): boolean {
  return ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"].some((text) => {
    const range = parseNetwork4(text);
    return (
      network.prefix >= range.prefix && network.base - (network.base % sizeOf(range.prefix)) === range.base
    );
  });
}
