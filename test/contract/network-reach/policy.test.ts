import { describe, expect, test } from "bun:test";
import { policyOf } from "../network.ts";
import { reachFixture } from "./fixture.ts";
import { addresses, installationA, Lab, testVm } from "./lab.ts";
import { listen, probe, reached, waysTo } from "./wire.ts";

const { skip, wire } = reachFixture();

describe.skipIf(skip)("what a VM may reach", () => {
  test("without a network it is nothing, but the host reaches it", async () => {
    await using lab = await Lab.open(wire());
    const [alone, other] = await Promise.all([
      lab.start(installationA, "alone", testVm(installationA, 1, { mode: "none" })),
      lab.start(installationA, "other", testVm(installationA, 2)),
    ]);
    expect(alone.attachment.guest).toMatchObject({ gateway: null, resolvers: [] });
    const away = [addresses.outside, addresses.wan, other.address, addresses.container, alone.tapAddress];
    const [out, inward, fromHost] = await Promise.all([
      reached(
        wire(),
        alone.space,
        away.flatMap((address) => waysTo(address)),
      ),
      reached(wire(), other.space, waysTo(alone.address)),
      reached(wire(), lab.host, waysTo(alone.address)),
    ]);
    expect({ out, inward, fromHost }).toEqual({ out: [], inward: [], fromHost: waysTo(alone.address) });
  }, 30_000);

  test("with egress 'none' it is its siblings", async () => {
    await using lab = await Lab.open(wire());
    const [a1, a2] = await Promise.all([
      lab.start(installationA, "a1", testVm(installationA, 1, { policy: policyOf({ egress: "none" }) })),
      lab.start(installationA, "a2", testVm(installationA, 2)),
    ]);
    const [from, to] = await Promise.all([
      reached(wire(), a1.space, [
        ...waysTo(addresses.outside),
        ...waysTo(addresses.wan),
        ...waysTo(a2.address),
      ]),
      reached(wire(), a2.space, waysTo(a1.address)),
    ]);
    expect({ from, to }).toEqual({ from: waysTo(a2.address), to: waysTo(a1.address) });
  }, 30_000);

  test("with networks as egress it is these, its siblings, and the resolvers' port", async () => {
    await using lab = await Lab.open(wire());
    await listen(wire(), lab.outside, "resolver", 53);
    const egress = ["203.0.113.0/24", "203.0.113.0/28", "192.0.2.64/26"]; // one lies within another
    const [a1, a2] = await Promise.all([
      lab.start(installationA, "a1", testVm(installationA, 1, { policy: policyOf({ egress }) })),
      lab.start(installationA, "a2", testVm(installationA, 2)),
    ]);
    expect(a1.attachment.guest.resolvers).toEqual([addresses.resolver]);
    const dns = [`tcp:${addresses.resolver}:53`, `udp:${addresses.resolver}:53`];
    const yes = [...waysTo(addresses.near), ...waysTo(a2.address), ...dns];
    const no = [addresses.outside, addresses.far, addresses.resolver, addresses.wan].flatMap((address) =>
      waysTo(address),
    );
    const otherDns = [`tcp:${addresses.far}:53`, `udp:${addresses.far}:53`];
    expect(await reached(wire(), a1.space, [...yes, ...no, ...otherDns])).toEqual(yes);
    expect(await reached(wire(), a2.space, waysTo(addresses.far))).toEqual(waysTo(addresses.far));
  }, 30_000);

  test("it is nothing with an address that is not its own, nor over IPv6", async () => {
    await using lab = await Lab.open(wire());
    const [a1, a2, a3] = await Promise.all([
      lab.start(installationA, "a1", testVm(installationA, 1)),
      lab.start(installationA, "a2", testVm(installationA, 2)),
      lab.start(installationA, "a3", testVm(installationA, 3)),
    ]);
    const strangers = [a3.address, "10.100.0.77", "198.51.100.77", addresses.wan];
    a1.space.ip(...strangers.map((address) => `address add ${address}/32 dev eth0`));
    const heardBySibling = await listen(wire(), a2.space, "a2", 7001);
    const targets = [`udp:${addresses.outside}:7000`, `udp:${a2.address}:7001`];
    await Promise.all(strangers.map((source) => reached(wire(), a1.space, targets, source)));
    expect(await reached(wire(), a1.space, targets, a1.address)).toEqual(targets);
    // "heard probe SOURCE": what came with the VM's own address did arrive.
    for (const heard of [lab.heardOutside, heardBySibling]) {
      expect([...new Set(heard.filter((line) => line.startsWith("heard")))]).toEqual([
        `heard probe ${a1.address}`,
      ]);
    }
    expect(lab.host.run("sysctl", "-n", `net.ipv6.conf.${a1.device}.disable_ipv6`).trim()).toBe("1");
    expect(lab.host.run("ip", "-6", "address", "show", "dev", a1.device)).toBe("");
  }, 30_000);

  test("it is not what another program redirects from the host's address to a container", async () => {
    await using lab = await Lab.open(wire(), ({ host }) => {
      host.nft(`table ip other {
        chain in {
          type nat hook prerouting priority dstnat - 20;
          ip daddr ${addresses.wan} tcp dport 7777 dnat to ${addresses.container}:7000
        }
      }`);
      host.run("sysctl", "-qw", "net.ipv4.ip_forward=1");
    });
    const a1 = await lab.start(installationA, "a1", testVm(installationA, 1));
    const target = `tcp:${addresses.wan}:7777`;
    expect(await reached(wire(), a1.space, [target])).toEqual([]);
    expect(await reached(wire(), lab.outside, [target])).toEqual([target]);
  }, 30_000);

  test("the outside sees the host's address instead of its own, a sibling sees its own", async () => {
    await using lab = await Lab.open(wire());
    const [a1, a2] = await Promise.all([
      lab.start(installationA, "a1", testVm(installationA, 1)),
      lab.start(installationA, "a2", testVm(installationA, 2)),
    ]);
    const answers = await probe(wire(), a1.space, [
      `tcp:${addresses.outside}:7000`,
      `tcp:${a2.address}:7000`,
    ]);
    expect([...answers.values()].sort()).toEqual([`a2 ${a1.address}`, `outside ${addresses.wan}`]);
  }, 30_000);
});
