import type { Inspector } from "../inspector.ts";
import { formatAddress4, parseNetwork4 } from "../ipv4.ts";
import type { NetworkContext, VmNetwork } from "../network.ts";
import type { NetworkNames } from "./names.ts";
import type { GuestRules } from "./ruleset.ts";

/** What the parts of this driver know. */
export interface TapContext extends NetworkContext {
  /** Who decides by names; loaded when it is needed. */
  readonly inspector: () => Promise<Inspector>;
}

/** Of a block's addresses: .0 the network, .1 the TAP on the host, .2 the guest, .3 broadcast. */
export const offsets = { gateway: 1, guest: 2 } as const;

/** What the firewall must know of the VM; its block is wide enough. */
export async function guestOf(
  context: NetworkContext,
  names: NetworkNames,
  vm: VmNetwork,
): Promise<GuestRules> {
  const { base } = parseNetwork4(vm.block);
  const { upstreamResolvers } = await import("./host-network.ts");
  const resolvers = upstreamResolvers();
  if (resolvers.fallback)
    context.notice(
      `guests use public resolvers (${resolvers.addresses.join(", ")}): this host names none they could reach`,
    );
  const connected = vm.mode === "default";
  return {
    tap: names.tap(vm.vmId),
    address: formatAddress4(base + offsets.guest),
    connected,
    policy: vm.policy,
    resolvers: resolvers.addresses,
    ports: connected ? vm.ports : [],
  };
}

/** The same with where its connections go to be inspected: the inspector listens there then. The interface must be there. */
export async function withInspection(
  context: TapContext,
  vm: VmNetwork,
  guest: GuestRules,
): Promise<GuestRules> {
  const { base, prefix } = parseNetwork4(vm.block);
  const inspector = await context.inspector();
  const cable = {
    device: guest.tap,
    gateway: formatAddress4(base + offsets.gateway),
    address: guest.address,
    prefix,
  };
  return { ...guest, inspection: await inspector.attach(vm, cable) };
}
