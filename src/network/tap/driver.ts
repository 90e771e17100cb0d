import { existsSync } from "node:fs";
import { installHint } from "#platform";
import { EmberError } from "../../errors/ember-error.ts";
import { together } from "../../host/together.ts";
import { findTool, lookUpTool } from "../../host/tools.ts";
import { agentGuestPort } from "../agent-port.ts";
import { type Inspector, wantsInspection } from "../inspector.ts";
import { formatAddress4, parseNetwork4, sizeOf } from "../ipv4.ts";
import type {
  Attachment,
  Network,
  NetworkCapabilities,
  NetworkContext,
  NetworkProbe,
  VmNetwork,
} from "../network.ts";
import { guestOf, offsets, type TapContext, withInspection } from "./guest.ts";
import { type NetworkNames, networkNames } from "./names.ts";
import type { GuestRules } from "./ruleset.ts";

const capabilities: NetworkCapabilities = {
  nic: "tap",
  blockPrefix: 30,
  guestOffset: offsets.guest,
  gatewayOffset: offsets.gateway,
  siblings: true,
  names: "hosts",
  policies: "names",
  caveats: [],
};

/**
 * A TAP interface and a /30 for each VM, routed and translated by the host, and a firewall table that holds the network
 * contract (architecture.md section 3) whatever else is in the host's firewall. Needs root, nft and iproute2.
 */
export function createTapNetwork(installation: NetworkContext, inspector: () => Promise<Inspector>): Network {
  const names = networkNames(installation.installationId);
  const context: TapContext = { ...installation, inspector };
  return {
    name: "tap",
    capabilities,
    probe: () => probe(names),
    subnetClash: async (subnet) => {
      const { findClash, hostRoutes } = await import("./host-network.ts");
      const { otherSubnets } = await import("./others.ts");
      return findClash(subnet, names.prefix, hostRoutes(), await otherSubnets(names));
    },
    attach: (vm) => attach(context, names, vm),
    publish: (vm) => change(context, names, vm),
    applyPolicy: (vm) => change(context, names, vm),
    flows: async (vmId) => (await inspector()).flows(vmId),
    forgetFlows: async (vmId) => (await inspector()).forgetFlows(vmId),
    revive: async (vms) => (await import("./inspection.ts")).revive(context, names, vms),
    needsProcess: wantsInspection,
    status: async () => (await inspector()).status(),
    detach: async (vmId) => {
      const { removeGuest } = await import("./firewall.ts");
      const { removeTap } = await import("./device.ts");
      await removeGuest(names, names.tap(vmId));
      await (await inspector()).detach(vmId);
      await removeTap(names.tap(vmId));
    },
    close: async () => {
      await close(names);
      await (await inspector()).close();
    },
  };
}

async function probe(names: NetworkNames): Promise<NetworkProbe> {
  for (const tool of ["ip", "nft"]) {
    if (lookUpTool(tool) === undefined)
      return { usable: false, reason: `'${tool}' is not installed`, hint: installHint(tool) };
  }
  if (process.getuid?.() !== 0) {
    return {
      usable: false,
      reason: "it needs root",
      hint: "run ember as root, or use the network driver 'user'",
    };
  }
  if (!existsSync("/dev/net/tun")) {
    return {
      usable: false,
      reason: "there is no /dev/net/tun",
      hint: "load the kernel module: modprobe tun",
    };
  }
  const { checkFirewall } = await import("./firewall.ts");
  const fault = await checkFirewall(names);
  if (fault === undefined) return { usable: true, detail: "TAP interfaces and nftables" };
  return {
    usable: false,
    reason: fault,
    hint: "see that the kernel has nf_tables, nft_nat, nft_fib and nft_masq",
  };
}

function leavesByLoopback({ ports }: GuestRules): boolean {
  return ports.some(({ hostAddress }) => hostAddress.startsWith("127.") || hostAddress === "0.0.0.0");
}

async function attach(context: TapContext, names: NetworkNames, vm: VmNetwork): Promise<Attachment> {
  const block = parseNetwork4(vm.block);
  if (sizeOf(block.prefix) < 2 ** (32 - capabilities.blockPrefix))
    throw new EmberError("internal", `the block ${vm.block} is too small for a VM`);
  const { enableForwarding, freeName, makeTap } = await import("./device.ts");
  const { refusePublished } = await import("./others.ts");
  const { addGuest, removeGuest } = await import("./firewall.ts");
  const { deleteInterface } = await import("../../host/ip.ts");
  const { checkHostPorts } = await import("../host-ports.ts");
  const guest = await guestOf(context, names, vm);
  const { tap, address, connected, resolvers } = guest;
  findTool("nft");
  await checkHostPorts(guest.ports);
  const gateway = formatAddress4(block.base + offsets.gateway);
  await refusePublished(names, guest);
  await freeName(tap);
  // Nobody sends anything yet: the hypervisor starts when the rules hold.
  const loopback = leavesByLoopback(guest);
  const device = makeTap({ name: tap, address: `${gateway}/${block.prefix}`, userId: vm.userId, loopback });
  const inspected = wantsInspection(vm);
  // Only on an interface that is there can somebody listen, and only then is it known where.
  const rules = inspected
    ? device.then(async () => addGuest(names, context, await withInspection(context, vm, guest)))
    : addGuest(names, context, guest);
  try {
    await together(device, rules);
  } catch (error) {
    await removeGuest(names, tap);
    if (inspected) await (await context.inspector()).detach(vm.vmId);
    await device.then(
      () => deleteInterface(tap),
      () => undefined, // then it is not ours
    );
    throw error;
  }
  if (enableForwarding()) context.notice("IP forwarding was off and is on now, for the network of the VMs");
  return {
    nic: { kind: "tap", mac: vm.mac, device: tap },
    guest: {
      mac: vm.mac,
      address: `${address}/${block.prefix}`,
      gateway: connected ? gateway : null,
      // Its questions are answered by the inspection, whomever it asks.
      resolvers: !connected ? [] : inspected ? [gateway] : resolvers,
      mtu: 1500,
      searchDomains: ["ember.internal"],
    },
    agent: { kind: "tcp", host: address, port: agentGuestPort },
  };
}

/** Ports and policy are in the same rules, so they change together. */
async function change(context: TapContext, names: NetworkNames, vm: VmNetwork): Promise<void> {
  const { allowLoopback } = await import("./device.ts");
  const { refusePublished } = await import("./others.ts");
  const { replaceGuest } = await import("./firewall.ts");
  const { checkHostPorts } = await import("../host-ports.ts");
  const { isInspected } = await import("./inspection.ts");
  const plain = await guestOf(context, names, vm);
  // A guest whose questions were inspected asks there until it is started again.
  const inspected = wantsInspection(vm) || (await isInspected(context, names, vm.vmId));
  const guest = inspected ? await withInspection(context, vm, plain) : plain;
  await checkHostPorts(guest.ports);
  await refusePublished(names, guest);
  if (leavesByLoopback(guest)) allowLoopback(guest.tap);
  await replaceGuest(names, context, guest);
}

async function close(names: NetworkNames): Promise<void> {
  const { deleteInterface } = await import("../../host/ip.ts");
  const { knownTaps, removeTable } = await import("./firewall.ts");
  // By the table, not by their names: those of another installation may begin as ours do.
  for (const tap of await knownTaps(names)) await deleteInterface(tap);
  await removeTable(names);
}
