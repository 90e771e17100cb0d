import { createHash } from "node:crypto";
import { EmberError } from "../errors/ember-error.ts";
import { formatNetwork4, isPrivate4, type Network4, parseNetwork4, sizeOf } from "../network/ipv4.ts";
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

/**
 * First addresses of the `count` lowest blocks of the subnet that no VM has. Must run in the transaction that inserts
 * the VMs, so that two commands at once never choose the same. Throws `addresses-exhausted`.
 */
export function freeBlocks(db: Database, subnet: Network4, blockPrefix: number, count: number): number[] {
  const step = sizeOf(blockPrefix);
  const end = subnet.base + sizeOf(subnet.prefix);
  const taken = db
    .all(
      "SELECT block_base FROM vms WHERE block_base >= ? AND block_base < ? ORDER BY block_base",
      subnet.base,
      end,
    )
    .map((row) => integer(row, "block_base"));
  const free: number[] = [];
  let next = 0;
  for (let candidate = subnet.base; free.length < count; candidate += step) {
    if (candidate >= end) throw exhausted(subnet);
    // VMs may have blocks of another size, from when the installation used another network.
    while ((taken[next] ?? end) < candidate) next++;
    if ((taken[next] ?? end) >= candidate + step) free.push(candidate);
  }
  return free;
}

/** The lowest; see `freeBlocks`. */
export function freeBlock(db: Database, subnet: Network4, blockPrefix: number): number {
  const [block] = freeBlocks(db, subnet, blockPrefix, 1);
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
