import { describe, expect, test } from "bun:test";
import type { PublishedPort } from "../../../src/network/network.ts";
import { policyOf } from "../network.ts";
import { reachFixture } from "./fixture.ts";
import { addresses, installationA, installationB, Lab, testVm } from "./lab.ts";
import { Namespace } from "./netns.ts";
import { probe, reached, testPort } from "./wire.ts";

const { skip, wire } = reachFixture();

function published(hostPort: number, hostAddress = "0.0.0.0"): PublishedPort[] {
  const both = ["tcp", "udp"] as const;
  return both.map((protocol) => ({ protocol, hostAddress, hostPort, guestPort: testPort }));
}

const at = (address: string, port: number): string[] => [`tcp:${address}:${port}`, `udp:${address}:${port}`];

describe.skipIf(skip)("published ports", () => {
  test("are reached from outside, from the host at any of its addresses, and from containers, but by no VM", async () => {
    await using lab = await Lab.open(wire());
    const [a1, a2, b1] = await Promise.all([
      lab.start(
        installationA,
        "a1",
        testVm(installationA, 1, { ports: published(8080), policy: policyOf({ egress: "none" }) }),
      ),
      lab.start(installationA, "a2", testVm(installationA, 2)),
      lab.start(installationB, "b1", testVm(installationB, 1)),
    ]);
    const wan = at(addresses.wan, 8080);
    const local = [addresses.wan, "127.0.0.1", addresses.bridge, a2.tapAddress].flatMap((address) =>
      at(address, 8080),
    );
    const [outside, host, container, sibling, stranger] = await Promise.all([
      probe(wire(), lab.outside, wan),
      reached(wire(), lab.host, local),
      reached(wire(), lab.container, at(addresses.bridge, 8080)),
      reached(wire(), a2.space, wan),
      reached(wire(), b1.space, [...wan, ...at(a1.tapAddress, 8080)]),
    ]);
    // The guest sees who asks.
    expect([...outside.values()]).toEqual([`a1 ${addresses.outside}`, `a1 ${addresses.outside}`]);
    expect({ host, container }).toEqual({ host: local, container: at(addresses.bridge, 8080) });
    expect({ sibling, stranger }).toEqual({ sibling: [], stranger: [] });
  }, 30_000);

  test("are reached at the address they were published at, and at no other", async () => {
    await using lab = await Lab.open(wire(), ({ host }) => {
      host.run("sysctl", "-qw", "net.ipv4.conf.wan0.route_localnet=1"); // as some container networks have it
    });
    const ports = [...published(8081, "127.0.0.1"), ...published(8082, addresses.wan)];
    await lab.start(installationA, "a1", testVm(installationA, 1, { ports }));
    const asked = [
      ...at("127.0.0.1", 8081),
      ...at("127.0.0.1", 8082),
      ...at(addresses.wan, 8081),
      ...at(addresses.wan, 8082),
    ];
    // A neighbour that sends packets for 127.0.0.1 our way.
    lab.outside.run("sysctl", "-qw", "net.ipv4.conf.eth0.route_localnet=1");
    lab.outside.ip(
      "route delete local 127.0.0.0/8 dev lo table local",
      "route delete local 127.0.0.1 dev lo table local",
      `route add 127.0.0.1/32 via ${addresses.wan} src ${addresses.outside}`,
    );
    const [host, outside] = await Promise.all([
      reached(wire(), lab.host, asked),
      reached(wire(), lab.outside, asked),
    ]);
    expect(host).toEqual([...at("127.0.0.1", 8081), ...at(addresses.wan, 8082)]);
    expect(outside).toEqual(at(addresses.wan, 8082));
  }, 30_000);

  test("of other VMs, of any installation, are refused by their number, until those are detached", async () => {
    await using lab = await Lab.open(wire());
    const [a, b] = [lab.network(installationA), lab.network(installationB)];
    const holder = testVm(installationA, 1, { ports: published(8080, "127.0.0.1") });
    await a.attach(holder);
    const refusal = { code: "port-taken", message: expect.stringContaining("8080") };
    for (const [network, installation, ports] of [
      [a, installationA, published(8080, "127.0.0.1")],
      [a, installationA, published(8080)],
      [b, installationB, published(8080)],
    ] as const) {
      await expect(network.attach(testVm(installation, 2, { ports }))).rejects.toMatchObject(refusal);
    }
    await a.attach(testVm(installationA, 2, { ports: published(8080, addresses.wan) })); // another address of the host's
    await a.attach(holder);
    await a.detach(holder.vmId);
    await a.attach(testVm(installationA, 3, { ports: published(8080, "127.0.0.1") }));
  }, 30_000);

  test("of which two starts at once want the same go to one of them", async () => {
    await using lab = await Lab.open(wire());
    const a = lab.network(installationA);
    const starts = [1, 2, 3, 4].map((n) => a.attach(testVm(installationA, n, { ports: published(8080) })));
    const ends = await Promise.allSettled(starts);
    expect(ends.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const end of ends)
      if (end.status === "rejected") expect(end.reason).toMatchObject({ code: "port-taken" });
  }, 30_000);

  test("that a VM no longer publishes when it is attached again are gone", async () => {
    await using lab = await Lab.open(wire());
    const first = await lab.start(installationA, "a1", testVm(installationA, 1, { ports: published(8080) }));
    await first.cable.kill();
    const attachment = await lab
      .network(installationA)
      .attach(testVm(installationA, 1, { ports: published(8090) }));
    // The guest's end went with its cable.
    const again = await lab.plug("again", new Namespace("again"), attachment);
    await using _ = again.space;
    const answers = await reached(wire(), lab.outside, [
      ...at(addresses.wan, 8080),
      ...at(addresses.wan, 8090),
    ]);
    expect(answers).toEqual(at(addresses.wan, 8090));
  }, 30_000);
});
