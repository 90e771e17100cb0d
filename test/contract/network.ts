import { describe, expect, test } from "bun:test";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { gatewayAddressOf, guestAddressOf } from "../../src/network/addressing.ts";
import { formatAddress4, formatNetwork4, parseNetwork4, sizeOf } from "../../src/network/ipv4.ts";
import type { Network, PublishedPort, VmNetwork } from "../../src/network/network.ts";
import { openPolicy } from "../../src/policy/describe.ts";
import { composePolicy } from "../../src/policy/policy.ts";
import type { NetworkPolicy, PolicyOptions } from "../../src/types.ts";

/** The policy that the options describe. */
export function policyOf(options: PolicyOptions): NetworkPolicy {
  return composePolicy(options) ?? openPolicy;
}

/** A VM with the second block of a subnet. `changes` replace parts. */
export function vmOn(network: Network, changes: Partial<VmNetwork> = {}): VmNetwork {
  const prefix = network.capabilities.blockPrefix;
  const base = parseNetwork4("10.199.0.0/16").base + Math.max(sizeOf(prefix), 4);
  const block = formatNetwork4({ base, prefix });
  return {
    vmId: "00aa11bb",
    name: "web",
    mode: "default",
    mac: "52:54:00:aa:bb:cc",
    block,
    ports: [],
    policy: { default: "allow", rules: [] },
    secrets: [],
    authority: null,
    ...changes,
  };
}

function published(hostPort: number, changes: Partial<PublishedPort> = {}): PublishedPort {
  return { protocol: "tcp", hostAddress: "127.0.0.1", hostPort, guestPort: 80, ...changes };
}

/** What every network driver must do (src/network/network.ts), as far as it shows without a guest. */
export function networkContract(name: string, factory: () => Network): void {
  describe(`network contract: ${name}`, () => {
    addressTests(factory);
    portTests(factory);
  });
}

function addressTests(factory: () => Network): void {
  test("a VM gets the addresses of its own block", async () => {
    const network = factory();
    const vm = vmOn(network);
    try {
      const { guest, nic } = await network.attach(vm);
      const block = parseNetwork4(vm.block);
      const { capabilities } = network;
      const prefix = capabilities.shared?.prefix ?? block.prefix;
      const address = formatAddress4(guestAddressOf(capabilities, block.base));
      expect(guest.address).toBe(`${address}/${prefix}`);
      expect(guest.gateway).toBe(formatAddress4(gatewayAddressOf(capabilities, block.base)));
      expect(guest.resolvers.length).toBeGreaterThan(0);
      expect(guest.mac).toBe(vm.mac);
      expect(nic.mac).toBe(vm.mac);
    } finally {
      await network.detach(vm.vmId);
    }
  });

  test("without a network there is no gateway, no resolver and no published port, but an agent", async () => {
    const network = factory();
    const vm = vmOn(network, { mode: "none", ports: [published(0)] });
    try {
      const { guest, nic, agent } = await network.attach(vm);
      expect(guest.gateway).toBeNull();
      expect(guest.resolvers).toEqual([]);
      if (nic.kind === "vmnet") expect(nic).toMatchObject({ isolated: true, forwards: [] });
      if (agent.kind === "tcp") expect(agent.port).toBeGreaterThan(0);
    } finally {
      await network.detach(vm.vmId);
    }
  });

  test("attaching again succeeds, and so does detaching what is not attached", async () => {
    const network = factory();
    const vm = vmOn(network);
    const first = await network.attach(vm);
    const second = await network.attach(vm);
    expect(second.guest).toEqual(first.guest);
    await network.detach(vm.vmId);
    await network.detach(vm.vmId);
    await network.detach("never-there");
  });
}

function portTests(factory: () => Network): void {
  test("a published TCP port that is in use is refused by its number", async () => {
    const network = factory();
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const bound = server.address();
    const port = typeof bound === "object" && bound !== null ? bound.port : 0;
    try {
      const vm = vmOn(network, { ports: [published(port)] });
      await expect(network.attach(vm)).rejects.toMatchObject({ code: "port-taken" });
      await expect(network.attach(vm)).rejects.toThrow(String(port));
    } finally {
      server.close();
      await network.detach(vmOn(network).vmId);
    }
  });

  test("a published UDP port that is in use is refused, one that is only in use for TCP is not", async () => {
    const network = factory();
    const socket = createSocket("udp4").bind(0, "127.0.0.1");
    await once(socket, "listening");
    const { port } = socket.address();
    try {
      const vm = vmOn(network, { ports: [published(port, { protocol: "udp" })] });
      await expect(network.attach(vm)).rejects.toMatchObject({ code: "port-taken" });
      await network.attach(vmOn(network, { ports: [published(port)] }));
    } finally {
      socket.close();
      await network.detach(vmOn(network).vmId);
    }
  });

  test("a port cannot be published twice, nor at an address that is not the host's", async () => {
    const network = factory();
    const twice = vmOn(network, { ports: [published(18_080), published(18_080, { guestPort: 81 })] });
    await expect(network.attach(twice)).rejects.toMatchObject({ code: "port-taken" });
    const elsewhere = vmOn(network, { ports: [published(18_080, { hostAddress: "192.0.2.7" })] });
    await expect(network.attach(elsewhere)).rejects.toMatchObject({ code: "unsupported" });
    await network.detach(twice.vmId);
  });
}
