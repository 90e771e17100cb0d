import { describe, expect, test } from "bun:test";
import { firewalls } from "./firewalls.ts";
import { reachFixture } from "./fixture.ts";
import { addresses, type Guest, installationA, installationB, Lab, testVm } from "./lab.ts";
import { probe, waysTo } from "./wire.ts";

const { skip, wire } = reachFixture();

const allWays = (address: string): string[] => waysTo(address);

/** Who may reach whom: by asker, those who must answer and those who must not. */
function table(a1: Guest, a2: Guest, b1: Guest): Record<string, { yes: string[]; no: string[] }> {
  const hosts = [addresses.wan, addresses.bridge, a1.tapAddress, a2.tapAddress, b1.tapAddress];
  const beyond = [addresses.outside, addresses.near];
  return {
    a1: { yes: [...beyond, a2.address], no: [...hosts, b1.address, addresses.container] },
    a2: { yes: [...beyond, a1.address], no: [...hosts, b1.address, addresses.container] },
    b1: { yes: beyond, no: [...hosts, a1.address, a2.address, addresses.container] },
    host: { yes: [a1.address, a2.address, b1.address], no: [] },
    outside: { yes: [], no: [a1.address, a2.address, b1.address] },
    container: { yes: [], no: [a1.address, a2.address, b1.address] },
  };
}

describe.skipIf(skip)("who reaches whom on a host with", () => {
  for (const [name, arrange] of Object.entries(firewalls)) {
    test(`${name}`, async () => {
      await using lab = await Lab.open(wire(), arrange);
      const [a1, a2, b1] = await Promise.all([
        lab.start(installationA, "a1", testVm(installationA, 1)),
        lab.start(installationA, "a2", testVm(installationA, 2)),
        lab.start(installationB, "b1", testVm(installationB, 1)),
      ]);
      const spaces = {
        a1: a1.space,
        a2: a2.space,
        b1: b1.space,
        host: lab.host,
        outside: lab.outside,
        container: lab.container,
      };
      const expected = table(a1, a2, b1);
      const rows = await Promise.all(
        Object.entries(spaces).map(async ([who, space]) => {
          const { yes = [], no = [] } = expected[who] ?? {};
          const answers = await probe(wire(), space, [...yes, ...no].flatMap(allWays));
          const wrong = [
            ...yes.flatMap(allWays).filter((way) => answers.get(way) === ""),
            ...no.flatMap(allWays).filter((way) => answers.get(way) !== ""),
          ];
          return wrong.map(
            (way) => `${who} -> ${way}: ${answers.get(way) === "" ? "no answer" : "answered"}`,
          );
        }),
      );
      expect(rows.flat()).toEqual([]);
    }, 30_000);
  }
});
