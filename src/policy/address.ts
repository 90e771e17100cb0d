/** An IPv4 or IPv6 network: `base` is its first address as a number. */
export interface IpNetwork {
  readonly family: 4 | 6;
  readonly base: bigint;
  readonly prefix: number;
}

const bitsOf = { 4: 32, 6: 128 } as const;

export function widthOf(family: 4 | 6): number {
  return bitsOf[family];
}

/** The address as a number; undefined for what is not exactly one. Numbers with leading zeros are none: they may be octal. */
export function parseAddress(text: string): { readonly family: 4 | 6; readonly value: bigint } | undefined {
  const value4 = parse4(text);
  if (value4 !== undefined) return { family: 4, value: value4 };
  const value6 = parse6(text);
  return value6 === undefined ? undefined : { family: 6, value: value6 };
}

function parse4(text: string): bigint | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) {
    return undefined;
  }
  return parts.reduce((sum, part) => sum * 256n + BigInt(part), 0n);
}

function parse6(text: string): bigint | undefined {
  const halves = text.split("::");
  if (halves.length > 2 || !/^[0-9a-fA-F:.]+$/.test(text)) return undefined;
  const [head, tail] = [halves[0] ?? "", halves[1]].map((half) =>
    half === undefined ? undefined : groupsOf(half),
  );
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined;
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...Array.from({ length: missing }, () => 0n), ...(tail ?? [])];
  return groups.reduce((sum, group) => sum * 65_536n + group, 0n);
}

/** The 16-bit groups of one side of a "::"; its end may be an IPv4 address. */
function groupsOf(text: string): readonly bigint[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  const groups: bigint[] = [];
  for (const [index, part] of parts.entries()) {
    const embedded = index === parts.length - 1 ? parse4(part) : undefined;
    if (embedded !== undefined) groups.push(embedded / 65_536n, embedded % 65_536n);
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(BigInt(`0x${part}`));
    else return undefined;
  }
  return groups;
}

/** "10.0.0.0", "fd00::1" (RFC 5952). */
export function formatAddress({ family, value }: { readonly family: 4 | 6; readonly value: bigint }): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join(".");
  const groups = Array.from({ length: 8 }, (_, index) => (value >> BigInt(112 - 16 * index)) & 0xffffn);
  const words = groups.map((group) => group.toString(16)).join(":");
  const runs = [...words.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].map(([run]) => run);
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best), "");
  if (longest === "") return words;
  const at = words.indexOf(longest);
  const before = words.slice(0, at);
  const after = words.slice(at + longest.length).replace(/^:/, "");
  return `${before}::${after}`;
}

export function formatNetwork({ family, base, prefix }: IpNetwork): string {
  return `${formatAddress({ family, value: base })}/${prefix}`;
}

/** The network of that prefix that the address is in. */
export function networkOf(
  address: { readonly family: 4 | 6; readonly value: bigint },
  prefix: number,
): IpNetwork {
  const rest = BigInt(widthOf(address.family) - prefix);
  return { family: address.family, base: (address.value >> rest) << rest, prefix };
}

/** "10.0.0.0/8", as `formatNetwork` writes it; undefined for anything else. */
export function readNetwork(text: string): IpNetwork | undefined {
  const slash = text.lastIndexOf("/");
  const address = parseAddress(text.slice(0, slash));
  const prefix = text.slice(slash + 1);
  if (slash === -1 || address === undefined || !/^\d{1,3}$/.test(prefix)) return undefined;
  return Number(prefix) > widthOf(address.family) ? undefined : networkOf(address, Number(prefix));
}

/** Whether every address of `inner` is one of `outer`. */
export function contains(outer: IpNetwork, inner: IpNetwork): boolean {
  if (outer.family !== inner.family || outer.prefix > inner.prefix) return false;
  return networkOf({ family: inner.family, value: inner.base }, outer.prefix).base === outer.base;
}
