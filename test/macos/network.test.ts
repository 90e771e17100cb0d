import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setToolEnvironment } from "../../src/host/tools.ts";
import { explainSkopeo } from "../../src/image/skopeo/failure.ts";
import { parseNetwork4 } from "../../src/network/ipv4.ts";
import { networkContext } from "../../src/network/testing/context.ts";
import { createVmnet } from "../../src/network/vmnet/driver.ts";
import { networkContract, policyOf, vmOn } from "../contract/network.ts";

setToolEnvironment(process.env);

const standins = process.env["EMBER_STANDINS"] ?? "";
const set = (name: string, text: string): void => writeFileSync(join(standins, name), text);
const notices: string[] = [];
const create = (subnet = "10.199.0.0/24") =>
  createVmnet(networkContext({ subnet, notice: (line) => void notices.push(line) }));

beforeEach(() => notices.splice(0));
afterEach(() => {
  for (const name of ["vmnet", "vpn", "bridge", "arp"]) rmSync(join(standins, name), { force: true });
});

networkContract("vmnet", create);

test("VMs are in the network that macOS's settings name", async () => {
  expect(await create().probe()).toMatchObject({ usable: true, detail: "macOS's network 192.168.64.0/24" });
  expect(await create().subnetClash?.("10.100.0.0/16")).toMatchObject({ free: "192.168.64.0/24" });
  set("vmnet", "192.168.105.1\n");
  expect(await create().subnetClash?.("192.168.64.0/24")).toMatchObject({ free: "192.168.105.0/24" });
  expect(await create().subnetClash?.("192.168.105.0/24")).toBeUndefined();
});

test("who has an address there already is known", async () => {
  set("arp", "? (192.168.64.9) at 52:54:0:ab:c:1 on bridge100 ifscope [bridge]\n");
  const surroundings = await create().surroundings?.();
  expect(surroundings?.subnet).toBe("192.168.64.0/24");
  const base = parseNetwork4("192.168.64.9/32").base;
  expect(surroundings?.holders.get(base)).toBe("52:54:00:ab:0c:01");
  expect(surroundings?.holders.has(parseNetwork4("192.168.1.17/32").base)).toBe(false); // incomplete
});

describe("a VPN", () => {
  test("that has the way out is told of before anything is started", async () => {
    set("vpn", "utun4\n");
    const probe = await create().probe();
    expect(probe).toMatchObject({ usable: true, warning: expect.stringContaining("disconnect the VPN") });
  });

  test("that silences macOS's resolver gives guests the host's own, and the user the reason", async () => {
    set("vpn", "utun4\n");
    set("bridge", "");
    // The loopback stands for the gateway: nobody answers there.
    const network = create("127.0.0.0/24");
    const { guest } = await network.attach(vmOn(network, { block: "127.0.0.9/32" }));
    expect(guest.resolvers).toEqual(["10.64.0.1", "192.168.1.1"]);
    expect(notices.join()).toContain("a VPN (utun4) keeps macOS's resolver at 127.0.0.1 from answering");
  });

  test("that is not there leaves the guest with the gateway as its resolver", async () => {
    const network = create();
    const { guest } = await network.attach(vmOn(network));
    expect(guest.resolvers[0]).toBe("10.199.0.1");
    expect(notices).toEqual([]);
  });
});

test("'no route to host' on the local network is told with where macOS allows it", () => {
  const stderr = 'time="..." level=fatal msg="dial tcp 192.168.1.9:5000: connect: no route to host"';
  const error = explainSkopeo(stderr, { what: "192.168.1.9:5000/web", registry: "192.168.1.9:5000" });
  expect(error.message).toContain("no route to host");
  expect(error.hint).toContain("Privacy & Security > Local Network");
});

test("a VM without a way out has no interface, but its ports", async () => {
  const network = create();
  const port = { protocol: "tcp", hostAddress: "127.0.0.1", hostPort: 28_083, guestPort: 80 } as const;
  const { nic } = await network.attach(
    vmOn(network, { policy: policyOf({ egress: "none" }), ports: [port] }),
  );
  expect(nic).toMatchObject({ kind: "vmnet", isolated: true, forwards: [port] });
  await expect(
    network.attach(vmOn(network, { policy: policyOf({ egress: ["10.0.0.0/8"] }) })),
  ).rejects.toMatchObject({
    code: "unsupported",
  });
});
