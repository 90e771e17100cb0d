import { expect, test } from "bun:test";
import { networkContract, vmOn } from "../../../test/contract/network.ts";
import { createUserNetwork } from "./driver.ts";

networkContract("user", createUserNetwork);

test("every VM's agent has a port of its own, and published ports follow it", async () => {
  const network = createUserNetwork();
  const port = { protocol: "tcp", hostAddress: "127.0.0.1", hostPort: 28_081, guestPort: 80 } as const;
  const { nic, agent } = await network.attach(vmOn(network, { ports: [port] }));
  if (nic.kind !== "user" || agent.kind !== "tcp") throw new Error("the user network is of another kind");
  expect(nic.forwards).toEqual([
    { protocol: "tcp", hostAddress: "127.0.0.1", hostPort: agent.port, guestPort: 1022 },
    port,
  ]);
});

test("what does not hold of the network contract is told, the host's loopback above all", () => {
  expect(createUserNetwork().capabilities.caveats.join("\n")).toContain("loopback");
});

test("an IPv6 address cannot be published at", async () => {
  const network = createUserNetwork();
  const port = { protocol: "tcp", hostAddress: "::1", hostPort: 28_082, guestPort: 80 } as const;
  await expect(network.attach(vmOn(network, { ports: [port] }))).rejects.toMatchObject({
    code: "unsupported",
  });
});
