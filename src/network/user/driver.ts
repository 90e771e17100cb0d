import { EmberError } from "../../errors/ember-error.ts";
import { agentGuestPort } from "../agent-port.ts";
import { formatAddress4, parseNetwork4, sizeOf } from "../ipv4.ts";
import type { Attachment, Network, NetworkCapabilities, VmNetwork } from "../network.ts";

const loopback = "127.0.0.1";

// The block's addresses: .0 the network, .1 the way out, .2 the resolver, .3 the guest, .7 broadcast.
const offsets = { gateway: 1, resolver: 2, guest: 3 };

const capabilities: NetworkCapabilities = {
  blockPrefix: 29,
  guestOffset: offsets.guest,
  gatewayOffset: offsets.gateway,
  siblings: false,
  names: "hosts",
  policies: "none",
  caveats: [
    "a guest's gateway address leads to this host's own loopback: services that listen on 127.0.0.1 can be reached from guests",
    "a guest reaches what this host reaches, its own networks included",
    "VMs do not reach each other",
    "a guest sees the gateway as the client of every published port, and may not be able to ping the outside",
  ],
};

/**
 * The hypervisor's own user-mode network: no root, and nothing on the host besides the hypervisor's process, so there
 * is nothing to detach. The agent is reached over a forward from a free port of the loopback; published ports are
 * forwards too. A port may be taken between `attach` and the hypervisor's start, which then throws `port-taken`:
 * attach again, which chooses another port for the agent, or throws `port-taken` itself for a published one.
 */
export function createUserNetwork(): Network {
  return {
    name: "user",
    capabilities,
    probe: async () => ({ usable: true, detail: "part of the hypervisor" }),
    attach,
    detach: async () => undefined,
    close: async () => undefined,
  };
}

async function attach(vm: VmNetwork): Promise<Attachment> {
  const block = parseNetwork4(vm.block);
  if (sizeOf(block.prefix) < 2 ** (32 - capabilities.blockPrefix)) {
    throw new EmberError("internal", `the block ${vm.block} is too small for a VM`);
  }
  if (vm.policy.rules.length > 0) {
    throw new EmberError("unsupported", "the user network cannot let a VM out to some networks only", {
      hint: "use --egress all or none, or an installation with the tap network ('ember init --network tap')",
    });
  }
  const isolated = vm.mode === "none" || vm.policy.default === "refuse";
  const published = vm.mode === "none" ? [] : vm.ports;
  // Loaded here, so that a list of VMs, which needs only the capabilities, does not load the sockets.
  const { checkHostPorts } = await import("../host-ports.ts");
  await checkHostPorts(published);
  const taken = new Set(published.map((port) => port.hostPort));
  const agent = await freeAgentPort(taken);
  const gateway = formatAddress4(block.base + offsets.gateway);
  const resolver = formatAddress4(block.base + offsets.resolver);
  const guestAddress = formatAddress4(block.base + offsets.guest);
  return {
    nic: {
      kind: "user",
      mac: vm.mac,
      network: vm.block,
      gateway,
      resolver,
      guestAddress,
      isolated,
      forwards: [
        { protocol: "tcp", hostAddress: loopback, hostPort: agent, guestPort: agentGuestPort },
        ...published,
      ],
    },
    guest: {
      mac: vm.mac,
      address: `${guestAddress}/${block.prefix}`,
      gateway: isolated ? null : gateway,
      resolvers: isolated ? [] : [resolver],
      mtu: 1500,
      searchDomains: [],
    },
    agent: { kind: "tcp", host: loopback, port: agent },
  };
}

/** Never a port that is about to be published, though nobody listens there yet. */
async function freeAgentPort(published: ReadonlySet<number>): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const { freeTcpPort } = await import("../host-ports.ts");
    const port = await freeTcpPort(loopback);
    if (!published.has(port)) return port;
  }
  throw new EmberError("port-taken", "this host has no free port for the agent");
}
