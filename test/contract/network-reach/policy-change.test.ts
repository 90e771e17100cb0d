import { describe, expect, test } from "bun:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { PublishedPort } from "../../../src/network/network.ts";
import { policyOf } from "../network.ts";
import { reachFixture } from "./fixture.ts";
import { addresses, installationA, Lab, testVm } from "./lab.ts";
import { listen, reached, testPort, waysTo } from "./wire.ts";

const { skip, wire } = reachFixture();

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 20) {
    if (waited > 20_000) throw new Error("it did not come to that");
    await sleep(20);
  }
}

describe.skipIf(skip)("rules about networks", () => {
  test("hold for a port, a protocol or both, and refusing ones win", async () => {
    await using lab = await Lab.open(wire());
    await Promise.all([7001, 7002].map((port) => listen(wire(), lab.outside, `o${port}`, port)));
    const policy = policyOf({
      allowCidrs: ["203.0.113.0/24:7001", "203.0.113.0/24:7002/udp", "198.51.100.0/24/tcp", "192.0.2.0/30"],
      denyCidrs: ["198.51.100.10/32:7001", "[fd00::]/8"],
    });
    const a1 = await lab.start(installationA, "a1", testVm(installationA, 1, { policy }));
    const { near, far, outside } = addresses;
    const ports = [testPort, 7001, 7002];
    const targets = [near, far, outside].flatMap((address) => [
      ...ports.flatMap((port) => [`tcp:${address}:${port}`, `udp:${address}:${port}`]),
      `icmp:${address}`,
    ]);
    expect(await reached(wire(), a1.space, targets)).toEqual([
      ...[`tcp:${near}:7001`, `udp:${near}:7001`, `udp:${near}:7002`],
      ...[`tcp:${far}:${testPort}`, `tcp:${far}:7002`],
      ...ports.flatMap((port) => [`tcp:${outside}:${port}`, `udp:${outside}:${port}`]),
      `icmp:${outside}`,
    ]);
  }, 30_000);

  test("that refuse leave all else, siblings and the resolvers' port", async () => {
    await using lab = await Lab.open(wire());
    await listen(wire(), lab.outside, "resolver", 53);
    const policy = policyOf({ denyCidrs: ["198.51.100.0/24", "10.0.0.0/8", "203.0.113.10/32:7000/tcp"] });
    const [a1, a2] = await Promise.all([
      lab.start(installationA, "a1", testVm(installationA, 1, { policy })),
      lab.start(installationA, "a2", testVm(installationA, 2)),
    ]);
    const dns = [`tcp:${addresses.resolver}:53`, `udp:${addresses.resolver}:53`];
    const yes = [...waysTo(addresses.outside), ...waysTo(a2.address), ...dns];
    const both = [`udp:${addresses.near}:${testPort}`, `icmp:${addresses.near}`];
    const no = [...waysTo(addresses.far), ...waysTo(addresses.resolver), ...waysTo(addresses.wan)];
    const asked = [...yes, ...both, `tcp:${addresses.near}:${testPort}`, ...no];
    expect(await reached(wire(), a1.space, asked)).toEqual([...yes, ...both]);
  }, 30_000);
});

describe.skipIf(skip)("a VM that runs", () => {
  test("may have its policy changed, which ends open connections that are refused then, and no others", async () => {
    await using lab = await Lab.open(wire());
    const vm = testVm(installationA, 1);
    const a1 = await lab.start(installationA, "a1", vm);
    await lab.outside.start([wire().program, "echo", "7070"]);
    const [near, far]: [string[], string[]] = [[], []];
    await a1.space.start([wire().program, "talk", `${addresses.near}:7070`], (line) => void near.push(line));
    await a1.space.start([wire().program, "talk", `${addresses.far}:7070`], (line) => void far.push(line));
    await until(() => near.includes("answered") && far.includes("answered"));
    const network = lab.network(installationA);
    await network.applyPolicy({ ...vm, policy: policyOf({ denyCidrs: ["198.51.100.0/24"] }) });
    await until(() => far.includes("ended"));
    const answers = near.length;
    await until(() => near.length > answers + 5);
    expect(near).not.toContain("ended");
    expect(await reached(wire(), a1.space, waysTo(addresses.far))).toEqual([]);
    await network.applyPolicy(vm);
    expect(await reached(wire(), a1.space, waysTo(addresses.far))).toEqual(waysTo(addresses.far));
  }, 60_000);

  test("may have other ports, and its rules stay when one is taken", async () => {
    await using lab = await Lab.open(wire());
    const port = (hostPort: number, hostAddress = "0.0.0.0"): PublishedPort => ({
      ...{ protocol: "tcp", hostAddress, hostPort, guestPort: testPort },
    });
    const vm = testVm(installationA, 1, { policy: policyOf({ egress: "none" }) });
    const a1 = await lab.start(installationA, "a1", vm);
    await lab.start(installationA, "a2", testVm(installationA, 2, { ports: [port(8090)] }));
    const network = lab.network(installationA);
    const at = [`tcp:${addresses.wan}:8080`, `tcp:${addresses.wan}:8081`];
    expect(await reached(wire(), lab.outside, at)).toEqual([]);
    await network.publish({ ...vm, ports: [port(8080), port(8082, "127.0.0.1")] });
    expect(await reached(wire(), lab.outside, at)).toEqual(at.slice(0, 1));
    expect(await reached(wire(), lab.host, ["tcp:127.0.0.1:8082"])).toEqual(["tcp:127.0.0.1:8082"]);
    await expect(network.publish({ ...vm, ports: [port(8081), port(8090)] })).rejects.toMatchObject({
      code: "port-taken",
      message: "host port 8090 is published by another VM",
    });
    expect(await reached(wire(), lab.outside, at)).toEqual(at.slice(0, 1));
    await network.publish({ ...vm, ports: [port(8081)] });
    expect(await reached(wire(), lab.outside, at)).toEqual(at.slice(1));
    expect(await reached(wire(), a1.space, waysTo(addresses.outside))).toEqual([]); // its policy is what it was
    await network.publish(vm);
    expect(await reached(wire(), lab.outside, at)).toEqual([]);
  }, 60_000);
});
