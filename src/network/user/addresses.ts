import { createHash } from "node:crypto";
import { networkInterfaces } from "node:os";
import { EmberError } from "../../errors/ember-error.ts";
import { formatAddress4, parseNetwork4, sizeOf } from "../ipv4.ts";
import { blockPrefix, offsets } from "./offsets.ts";

/** A VM's addresses, without prefix lengths. */
export interface Addresses {
  readonly address: string;
  readonly gateway: string;
  readonly resolver: string;
}

/** Throws `internal` for a block that is too small. */
export function addressesIn(block: string): Addresses {
  const { base, prefix } = parseNetwork4(block);
  if (sizeOf(prefix) < 2 ** (32 - blockPrefix))
    throw new EmberError("internal", `the block ${block} is too small for a VM`);
  return addressesBy((offset) => formatAddress4(base + offset));
}

export const prefix6 = 64;

/**
 * The same in IPv6: a /64 that no other VM of the host has, out of the addresses that anybody may use for himself
 * (RFC 4193). "fd", 24 bits of the installation's id, hashed, and the block's address.
 */
export function addressesIn6(installationId: string, block: string): Addresses {
  const digest = createHash("sha256").update(installationId).digest("hex");
  const base = parseNetwork4(block).base.toString(16).padStart(8, "0");
  const groups = [`fd${digest.slice(0, 2)}`, digest.slice(2, 6), base.slice(0, 4), base.slice(4)];
  const network = groups.map((group) => group.replace(/^0+(?=.)/, "")).join(":");
  return addressesBy((offset) => `${network}::${offset}`);
}

function addressesBy(at: (offset: number) => string): Addresses {
  return { address: at(offsets.guest), gateway: at(offsets.gateway), resolver: at(offsets.resolver) };
}

/** Whether this host has an address by which it may reach others over IPv6. */
export function hostHasIpv6(interfaces: ReturnType<typeof networkInterfaces> = networkInterfaces()): boolean {
  return Object.values(interfaces).some((addresses) =>
    addresses?.some(
      ({ family, internal, address }) => family === "IPv6" && !internal && !/^fe[89ab]/i.test(address),
    ),
  );
}
