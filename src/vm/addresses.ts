import { createHash } from "node:crypto";
import { EmberError } from "../errors/ember-error.ts";
import { isForGuests } from "../network/addressing.ts";
import { formatNetwork4, isPrivate4, type Network4, parseNetwork4, sizeOf } from "../network/ipv4.ts";
import type { NetworkCapabilities } from "../network/network.ts";
import type { Database } from "../state/database.ts";
import { integer } from "../state/row.ts";

/** Throws `usage` unless the subnet is private and has room for at least one VM's block. */
export function checkSubnet(text: string, blockPrefix: number): Network4 {
  const subnet = parseNetwork4(text);
  if (!isPrivate4(subnet)) {
    throw new EmberError("usage", `'${text}' is not a private network`, {
      hint: "choose one inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
    });
  }
  if (subnet.prefix > blockPrefix) {
    throw new EmberError("usage", `'${text}' is too small: a VM takes a /${blockPrefix}`, {
      hint: "choose a /24 or larger",
    });
  }
  return subnet;
}

/** What of a network's facts decides which blocks VMs can have. */
export type Addressing = Pick<
  NetworkCapabilities,
  "blockPrefix" | "guestOffset" | "gatewayOffset" | "shared"
>;

/**
 * First addresses of `count` blocks of the subnet that no VM has, and that are not in `besides`: the lowest, or in a
 * network that VMs share with others the highest, since those others get theirs from its beginning. Must run in the
 * transaction that inserts the VMs, so that two commands at once never choose the same. Throws `addresses-exhausted`.
 */
export function freeBlocks(
  db: Database,
  subnet: Network4,
  addressing: Addressing,
  count: number,
  besides: ReadonlyMap<number, unknown> = new Map(),
): number[] {
  const step = sizeOf(addressing.blockPrefix);
  const taken = takenBlocks(db, subnet);
  const free: number[] = [];
  for (const candidate of candidates(subnet, step, addressing)) {
    if (free.length === count) break;
    // VMs may have blocks of another size, from when the installation used another network.
    const isTaken = taken.within(candidate, candidate + step) || besides.has(candidate);
    if (!isTaken && isForGuests(addressing, candidate)) free.push(candidate);
  }
  if (free.length < count) throw exhausted(subnet);
  return free;
}

function* candidates(subnet: Network4, step: number, { shared }: Addressing): Generator<number> {
  const end = subnet.base + sizeOf(subnet.prefix);
  if (shared === undefined) for (let base = subnet.base; base < end; base += step) yield base;
  else for (let base = end - step; base >= subnet.base; base -= step) yield base;
}

/** Where the subnet's blocks begin that VMs have. Asking in the order of the addresses, up or down, takes no time. */
function takenBlocks(db: Database, subnet: Network4): { within(first: number, end: number): boolean } {
  const bases = db
    .all(
      "SELECT block_base FROM vms WHERE block_base >= ? AND block_base < ? ORDER BY block_base",
      subnet.base,
      subnet.base + sizeOf(subnet.prefix),
    )
    .map((row) => integer(row, "block_base"));
  let next = 0;
  return {
    within: (first, end) => {
      while (next < bases.length && (bases[next] ?? end) < first) next++;
      while (next > 0 && (bases[next - 1] ?? 0) >= first) next--;
      return (bases[next] ?? end) < end;
    },
  };
}

/** See `freeBlocks`. */
export function freeBlock(
  db: Database,
  subnet: Network4,
  addressing: Addressing,
  besides?: ReadonlyMap<number, unknown>,
): number {
  const [block] = freeBlocks(db, subnet, addressing, 1, besides);
  if (block === undefined) throw exhausted(subnet);
  return block;
}

function exhausted(subnet: Network4): EmberError {
  return new EmberError(
    "addresses-exhausted",
    `every address of ${formatNetwork4(subnet)} is given to a VM`,
    {
      hint: "delete VMs, or create this one with --network and another subnet",
    },
  );
}

/** A MAC address from the VM's id: locally administered, the same at every start. */
export function macFor(vmId: string): string {
  const bytes = createHash("sha256").update(vmId).digest().subarray(0, 3);
  return ["52", "54", "00", ...Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"))].join(":");
}
