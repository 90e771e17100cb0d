import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { TestInstallation } from "../support/ember.ts";
import { every, Places, reachedFromVm, addresses as surroundings } from "../support/places.ts";
import { skipUnless } from "../support/require.ts";

// Who may reach whom on the TAP network: real guests of two installations on one host, the host itself, a container
// behind a bridge, and the outside, each tried with TCP, UDP and ICMP, under firewalls that others have set up.
// Host, container and outside are network namespaces.
const isRoot = process.getuid?.() === 0;
const skipped = skipUnless("tap", isRoot, "TAP interfaces need root");
let places: Places;
let a: TestInstallation;
let b: TestInstallation;

const addresses = {
  ...surroundings,
  a1: "10.100.0.2",
  tapOfA1: "10.100.0.1",
  a2: "10.100.0.6",
  b1: "10.101.0.2",
} as const;
const published = 17_000;

beforeAll(async () => {
  if (skipped) return;
  places = new Places();
  // The first VM decides which subnet the other installation finds taken.
  a = await places.install("--network", "tap");
  await places.guest(a, "a1", "-p", `0.0.0.0:${published}:7000`, "-p", "127.0.0.1:17001:7000");
  b = await places.install("--network", "tap");
  await places.guest(a, "a2");
  await places.guest(b, "b1");
}, 300_000);

afterAll(async () => {
  await a?.[Symbol.asyncDispose]();
  await b?.[Symbol.asyncDispose]();
  places?.[Symbol.dispose]();
});

/** Which of the targets answer on which protocol, as "tcp ADDRESS". */
async function reached(from: string, ...targets: readonly string[]): Promise<string[]> {
  if (from === "host" || from === "outside" || from === "container")
    return places.reachedFrom(places[from], ...targets);
  return await reachedFromVm(from.startsWith("b") ? b : a, from, ...targets);
}

/** Every cell of the table. */
async function expectContract(): Promise<void> {
  const { wan, outside, bridge, container, a1, tapOfA1, a2, b1 } = addresses;
  const host = [tapOfA1, "10.100.0.5", wan, bridge];
  expect(await reached("a1", outside, a2, b1, container, ...host, `${wan}:${published}`)).toEqual(
    every(outside, a2),
  );
  expect(await reached("b1", outside, a1, a2, container, ...host, `${wan}:${published}`)).toEqual(
    every(outside),
  );
  expect(await reached("host", a1, a2, b1, container)).toEqual(every(a1, a2, b1, container));
  const own = ["127.0.0.1:17001", `127.0.0.1:${published}`, `${wan}:${published}`];
  expect((await reached("host", ...own)).filter((cell) => cell.startsWith("tcp"))).toEqual(
    own.map((at) => `tcp ${at}`),
  );
  expect(
    (await reached("outside", a1, a2, b1, `${wan}:${published}`)).filter(
      (cell) => !cell.startsWith("icmp 192"),
    ),
  ).toEqual([`tcp ${wan}:${published}`]);
  expect(await reached("container", a1, a2, b1)).toEqual([]);
}

/** As a user of such a firewall would have it: no answer to the host comes in from a VM unless ember sees to it. */
const firewalls: Readonly<Record<string, readonly (readonly string[])[]>> = {
  "no other firewall": [],
  "everything of 10.0.0.0/8 accepted": [["iptables", "-A", "INPUT", "-s", "10.0.0.0/8", "-j", "ACCEPT"]],
  "Docker's": [
    ["iptables", "-P", "FORWARD", "DROP"],
    ["iptables", "-N", "DOCKER-USER"],
    ["iptables", "-A", "DOCKER-USER", "-j", "RETURN"],
    ["iptables", "-A", "FORWARD", "-j", "DOCKER-USER"],
    [
      "iptables",
      "-A",
      "FORWARD",
      "-o",
      "docker0",
      "-m",
      "conntrack",
      "--ctstate",
      "RELATED,ESTABLISHED",
      "-j",
      "ACCEPT",
    ],
    ["iptables", "-A", "FORWARD", "-i", "docker0", "!", "-o", "docker0", "-j", "ACCEPT"],
  ],
  "ufw's, which refuses what comes in and what is forwarded": [
    ...["wan0", "docker0", "lo"].map((name) => ["iptables", "-A", "INPUT", "-i", name, "-j", "ACCEPT"]),
    ["iptables", "-A", "INPUT", "-j", "DROP"],
    ["iptables", "-A", "FORWARD", "-j", "REJECT"],
  ],
  "firewalld's, in tables of its own": [
    ["nft", "add table inet firewalld"],
    [
      "nft",
      "add chain inet firewalld filter_FORWARD { type filter hook forward priority filter + 10; policy accept; }",
    ],
    ["nft", "add rule inet firewalld filter_FORWARD reject with icmpx type admin-prohibited"],
    [
      "nft",
      "add chain inet firewalld filter_INPUT { type filter hook input priority filter + 10; policy accept; }",
    ],
    ["nft", 'add rule inet firewalld filter_INPUT iifname { "lo", "wan0", "docker0" } accept'],
    ["nft", "add rule inet firewalld filter_INPUT reject with icmpx type admin-prohibited"],
  ],
  "one of iptables-legacy": [
    ["iptables-legacy", "-P", "FORWARD", "DROP"],
    ...["wan0", "docker0", "lo"].map((name) => [
      "iptables-legacy",
      "-A",
      "INPUT",
      "-i",
      name,
      "-j",
      "ACCEPT",
    ]),
    ["iptables-legacy", "-P", "INPUT", "DROP"],
  ],
};

async function clearFirewalls(): Promise<void> {
  for (const tool of ["iptables", "iptables-legacy"]) {
    for (const chain of ["INPUT", "FORWARD"]) places.host.run(tool, "-P", chain, "ACCEPT");
    places.host.run(tool, "-F");
    places.host.run(tool, "-X");
  }
  places.host.succeeds("nft", "delete", "table", "inet", "firewalld");
}

describe.skipIf(skipped)("the network contract", () => {
  test("two installations have subnets of their own", async () => {
    expect(await a.json(["vm", "inspect", "a2"])).toMatchObject({ network: { guestIp: addresses.a2 } });
    expect(await b.json(["vm", "inspect", "b1"])).toMatchObject({ network: { guestIp: addresses.b1 } });
  });

  for (const [name, rules] of Object.entries(firewalls)) {
    test(`holds with ${name}`, async () => {
      for (const rule of rules) places.host.run(...rule);
      try {
        // Each asserts its own at a start, whatever was there before.
        for (const [installation, vm] of [
          [a, "a2"],
          [b, "b1"],
        ] as const) {
          await installation.ok(["vm", "stop", "--force", vm]);
          await installation.ok(["vm", "start", vm]);
          await places.serveIn(installation, vm);
        }
        await expectContract();
      } finally {
        await clearFirewalls();
      }
    }, 120_000);
  }

  test("a guest that forges its source address reaches nobody", async () => {
    const forged = "ip addr add 10.100.0.99/32 dev eth0 && ping -c 1 -W 1 -I 10.100.0.99";
    for (const target of [addresses.outside, addresses.a2]) {
      expect((await a.run(["exec", "a1", "--", "sh", "-c", `${forged} ${target}`])).status).not.toBe(0);
      await a.ok(["exec", "a1", "--", "ip", "addr", "del", "10.100.0.99/32", "dev", "eth0"]);
    }
    expect(await reached("a1", addresses.a2)).toEqual(every(addresses.a2));
  }, 60_000);
});

describe.skipIf(skipped)("a VM's own policy", () => {
  const { outside, a1, a2 } = addresses;

  async function withPolicy(flags: readonly string[], body: () => Promise<void>): Promise<void> {
    await places.guest(a, "a3", ...flags);
    try {
      await body();
    } finally {
      await a.ok(["vm", "delete", "--force", "a3"]);
    }
  }

  test("--egress none leaves it its siblings", async () => {
    await withPolicy(["--egress", "none"], async () => {
      expect(await reached("a3", outside, a1, a2)).toEqual(every(a1, a2));
      expect(await reached("host", "10.100.0.10")).toEqual(every("10.100.0.10"));
    });
  }, 60_000);

  test("--egress with networks lets it into these and no others", async () => {
    await withPolicy(["--egress", "198.51.100.0/24"], async () => {
      expect(await reached("a3", outside, a1)).toEqual(every(a1));
    });
    await withPolicy(["--egress", "198.51.100.0/24,192.0.2.0/30"], async () => {
      expect(await reached("a3", outside, addresses.wan, a1)).toEqual(every(outside, a1));
    });
  }, 120_000);

  test("--network none leaves it nothing; the host still enters it", async () => {
    await withPolicy(["--network", "none"], async () => {
      expect(await reached("a3", outside, a1)).toEqual([]);
      expect(await reached("a1", "10.100.0.10")).toEqual([]);
    });
  }, 60_000);
});

test.skipIf(skipped)(
  "after deinit nothing is left of one installation, and the other goes on",
  async () => {
    await a.ok(["deinit", "--purge"]);
    expect(places.host.run("ip", "-br", "link")).not.toMatch(/^e[0-9a-f]{14}.*10\.100/m);
    expect(places.host.run("nft", "list", "tables").match(/ember_/g)).toHaveLength(1);
    expect(await reached("b1", addresses.outside)).toEqual(every(addresses.outside));
  },
  60_000,
);
