import { EmberError } from "../../errors/ember-error.ts";
import { gatewayAddressOf } from "../addressing.ts";
import { agentGuestPort } from "../agent-port.ts";
import { formatAddress4, parseNetwork4 } from "../ipv4.ts";
import type {
  Attachment,
  Network,
  NetworkCapabilities,
  NetworkContext,
  NetworkProbe,
  SubnetClash,
  VmNetwork,
} from "../network.ts";

const caveats = [
  "a guest reaches this Mac at its gateway's address, and what this Mac reaches, its own networks included",
  "the network is macOS's, and other programs' virtual machines are on it; whether those reach each other is macOS's to say",
  "this Mac's programs may need permission to reach guests by address (System Settings > Privacy & Security > Local Network); exec, ssh, cp and published ports do not",
];

/** The prefix that macOS's network has unless its owner changed that. */
const usualPrefix = 24;

/**
 * macOS's own network for virtual machines, which translates addresses and needs no root. The hypervisor makes it, with its
 * first machine, and it forwards no ports: the hypervisor publishes them. So nothing of it is ember's to take down.
 */
export function createVmnet(context: NetworkContext): Network {
  const prefix = context.subnet === "" ? usualPrefix : parseNetwork4(context.subnet).prefix;
  const capabilities: NetworkCapabilities = {
    nic: "vmnet",
    blockPrefix: 32,
    guestOffset: 0,
    gatewayOffset: 1,
    shared: { prefix },
    siblings: false,
    names: "hosts",
    policies: "none",
    caveats,
  };
  return {
    name: "vmnet",
    capabilities,
    probe,
    subnetClash,
    surroundings: async () => (await import("./neighbours.ts")).surroundings(context.notice),
    attach: (vm) => attach(context, capabilities, vm),
    detach: async () => undefined,
    close: async () => undefined,
  };
}

async function probe(): Promise<NetworkProbe> {
  const { currentSubnet } = await import("./subnet.ts");
  const { vpnInterface } = await import("./resolvers.ts");
  const [subnet, tunnel] = await Promise.all([currentSubnet(), vpnInterface()]);
  if (tunnel === undefined) return { usable: true, detail: `macOS's network ${subnet}` };
  return {
    usable: true,
    detail: `macOS's network ${subnet}, but a VPN (${tunnel}) has this Mac's way out`,
    warning: "if guests find no names or reach nothing, disconnect the VPN, or exclude that network from it",
  };
}

async function subnetClash(subnet: string): Promise<SubnetClash | undefined> {
  const { currentSubnet } = await import("./subnet.ts");
  const current = await currentSubnet();
  return subnet === current ? undefined : { why: "is not the one that macOS gives to VMs", free: current };
}

async function attach(
  context: NetworkContext,
  capabilities: NetworkCapabilities,
  vm: VmNetwork,
): Promise<Attachment> {
  if (vm.policy.rules.length > 0) {
    throw new EmberError("unsupported", "the vmnet network cannot let a VM out to some networks only", {
      hint: "use --egress all or none",
    });
  }
  const isolated = vm.mode === "none" || vm.policy.default === "refuse";
  const ports = vm.mode === "none" ? [] : vm.ports;
  const { checkHostPorts } = await import("../host-ports.ts");
  await checkHostPorts(ports);
  const { base } = parseNetwork4(vm.block);
  const gateway = formatAddress4(gatewayAddressOf(capabilities, base));
  const address = formatAddress4(base);
  const { resolversFor } = await import("./resolvers.ts");
  const resolvers = isolated ? { addresses: [] } : await resolversFor(gateway);
  if (resolvers.notice !== undefined) context.notice(resolvers.notice);
  return {
    nic: { kind: "vmnet", mac: vm.mac, isolated, forwards: ports },
    guest: {
      mac: vm.mac,
      address: `${address}/${capabilities.shared?.prefix ?? usualPrefix}`,
      gateway: isolated ? null : gateway,
      resolvers: resolvers.addresses,
      mtu: 1500,
      searchDomains: [],
    },
    agent: { kind: "tcp", host: address, port: agentGuestPort },
  };
}
