import { sizeOf } from "./ipv4.ts";
import type { NetworkCapabilities } from "./network.ts";

type Addressing = Pick<NetworkCapabilities, "guestOffset" | "gatewayOffset" | "shared">;

/** The address of a guest, from the first of its block. */
export function guestAddressOf({ guestOffset }: Addressing, blockBase: number): number {
  return blockBase + guestOffset;
}

/** The address of its way out: in its own block, or in the network that all share. */
export function gatewayAddressOf({ gatewayOffset, shared }: Addressing, blockBase: number): number {
  return (shared === undefined ? blockBase : firstOf(blockBase, shared.prefix)) + gatewayOffset;
}

/** Whether a guest can have that address: in a shared network neither the first ones, up to the gateway, nor the last. */
export function isForGuests({ gatewayOffset, shared }: Addressing, address: number): boolean {
  if (shared === undefined) return true;
  const offset = address - firstOf(address, shared.prefix);
  return offset > gatewayOffset && offset < sizeOf(shared.prefix) - 1;
}

function firstOf(address: number, prefix: number): number {
  return address - (address % sizeOf(prefix));
}
