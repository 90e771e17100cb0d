import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { TestInstallation } from "../support/ember.ts";
import { every, reachedFromVm, addresses as surroundings } from "../support/places.ts";
import { skipUnless } from "../support/require.ts";
import { UserPlaces } from "../support/user-places.ts";

// Who may reach whom on the user network: real guests of three installations on one host, one of them with TAPs, tried
// with real packets. Host, container and outside are network namespaces.
const skipped = skipUnless("tap", process.getuid?.() === 0, "network namespaces need root");
let places: UserPlaces;
/** Two installations with the user network, and one with TAPs. */
let a: TestInstallation;
let b: TestInstallation;
let c: TestInstallation;

const published = 17_000;
const { wan, bridge, outside } = surroundings;
const metadata = ["169.254.169.254", "100.100.100.200", "192.0.0.192"];

beforeAll(async () => {
  if (skipped) return;
  places = new UserPlaces();
  a = await places.install("--network", "user");
  b = await places.install("--network", "user");
  c = await places.install("--network", "tap", "--subnet", "10.200.0.0/16"); // none of a's addresses
  await places.guest(a, "a1", "-p", `0.0.0.0:${published}:7000`, "-p", `127.0.0.1:${published}:7000/udp`);
  await places.guest(a, "a2");
  await places.guest(b, "b1", "-p", "127.0.0.1:17001:7000");
  await places.guest(c, "c1");
  for (const name of ["a1", "a2"]) await a.ok(["cp", places.rogue, `${name}:/bin/rogue`]);
}, 600_000);

afterAll(async () => {
  for (const installation of [a, b, c]) await installation?.[Symbol.asyncDispose]();
  places?.[Symbol.dispose]();
});

const from = (name: string, ...targets: readonly string[]): Promise<string[]> =>
  reachedFromVm(name.startsWith("a") ? a : b, name, ...targets);

async function addressOf(installation: TestInstallation, name: string): Promise<string> {
  const { stdout } = await installation.run(["vm", "inspect", name, "--format", "json"]);
  const [, address = ""] = /"guestIp": ?"([0-9.]+)"/.exec(stdout) ?? [];
  return address;
}

async function knock(name: string, address: string, port = 7000): Promise<string> {
  return await a.ok(["exec", name, "--", "/bin/rogue", "knock", address, String(port)]);
}

describe.skipIf(skipped)("a guest on the user network", () => {
  test("reaches the outside", async () => {
    expect(await from("a1", outside)).toEqual(every(outside));
  }, 60_000);

  test("reaches no address of the host, nor a cloud's metadata", async () => {
    const gateway = (await addressOf(a, "a1")).replace(/\d+$/, (last) => String(Number(last) - 2));
    const host = [wan, places.second, bridge, places.linkLocal, `${wan}:${published}`];
    expect(await from("a1", ...host, ...metadata)).toEqual([]);
    // The gateway itself answers pings; nothing else is there, nor at the resolver.
    const services = (await from("a1", gateway, `${gateway}:${published}`)).filter(
      (way) => !/^icmp/.test(way),
    );
    expect(services).toEqual([]);
  }, 60_000);

  test("reaches no name that leads to the host", async () => {
    expect(await from("a1", "outside.test")).toEqual(every("outside.test"));
    expect(await from("a1", "host.test", "bridge.test", "metadata.test")).toEqual([]);
  }, 60_000);

  test("gains nothing from a name whose answer changes", async () => {
    const { stdout } = await a.run([
      "exec",
      "a1",
      "--",
      "sh",
      "-c",
      "for i in 1 2 3 4; do nslookup rebind.test; done",
    ]);
    expect(stdout).toContain(outside); // the name had an answer that may be reached
    expect(await from("a1", "rebind.test")).toEqual([]);
    // Each way asks anew, and gets another answer than the one before.
    await from("a1", "turn.test");
    expect(await from("a1", "turn.test")).toEqual([]);
  }, 60_000);

  test("reaches nothing by frames of its own making", async () => {
    expect(await knock("a1", outside)).toBe("open"); // so the frames are good
    for (const address of ["0.0.0.0", "127.0.0.1", "255.255.255.255", "224.0.0.1", wan, ...metadata]) {
      expect([address, await knock("a1", address)]).not.toEqual([address, "open"]);
    }
  }, 120_000);

  test("does not reach an address that the host has only taken since", async () => {
    places.outside.ip("address", "add", `${places.moving}/32`, "dev", "lo");
    expect(await from("a1", places.moving)).toContain(`tcp ${places.moving}`);
    places.outside.ip("address", "delete", `${places.moving}/32`, "dev", "lo");
    places.host.ip("address", "add", `${places.moving}/32`, "dev", "wan0");
    expect(await from("a1", places.moving)).toEqual([]);
    places.host.ip("address", "delete", `${places.moving}/32`, "dev", "wan0");
  }, 60_000);

  test("reaches its siblings by address and by name", async () => {
    const a2 = await addressOf(a, "a2");
    expect(await from("a1", a2, "a2", "a2.ember.internal")).toEqual(every(a2, "a2", "a2.ember.internal"));
    expect(await from("a2", "a1")).toEqual(every("a1"));
  }, 60_000);

  test("reaches no VM of another installation, with or without TAPs", async () => {
    const [b1, c1] = [await addressOf(b, "b1"), await addressOf(c, "c1")];
    expect(places.reachedFrom(places.host, c1)).toEqual(every(c1)); // it is there
    expect(places.reachedFrom(places.host, "127.0.0.1:17001")).toContain("tcp 127.0.0.1:17001");
    expect(await from("a1", c1)).toEqual([]);
    if (b1 !== (await addressOf(a, "a1"))) expect(await from("a1", b1)).toEqual([]);
    expect(await from("a1", "b1", "b1.ember.internal", `${wan}:17001`)).toEqual([]);
  }, 60_000);

  test("is reached by its published ports alone", async () => {
    const tcp = [`127.0.0.1:${published}`, `${wan}:${published}`];
    const found = places.reachedFrom(places.host, ...tcp).filter((way) => !/^icmp/.test(way));
    expect(found).toEqual([`tcp ${tcp[0]}`, `udp ${tcp[0]}`, `tcp ${tcp[1]}`]);
    expect(places.reachedFrom(places.outside, `${wan}:${published}`)).toContain(`tcp ${wan}:${published}`);
    const a1 = await addressOf(a, "a1");
    expect(places.reachedFrom(places.outside, a1)).toEqual([]);
    expect(places.reachedFrom(places.host, a1)).toEqual([]);
  }, 60_000);

  test("has a thousand connections open at once", async () => {
    const held = await a.ok(["exec", "a1", "--", "/bin/reach", "hold", "1000", `${outside}:7001`]);
    expect(held).toBe("1000");
  }, 240_000);

  test("with --network none reaches nothing, is reached by nobody, and is still entered", async () => {
    await places.guest(a, "a3", "--network", "none");
    try {
      const a3 = await addressOf(a, "a3");
      expect(await from("a3", outside, await addressOf(a, "a1"), "a1", "outside.test")).toEqual([]);
      expect(await from("a1", a3, "a3")).toEqual([]);
    } finally {
      await a.ok(["vm", "delete", "--force", "a3"]);
    }
  }, 120_000);
});

describe.skipIf(skipped)("a guest that pretends to be another", () => {
  test("gets nothing through with its sibling's address or MAC, and is counted", async () => {
    const [a1, a2] = await Promise.all([addressOf(a, "a1"), addressOf(a, "a2")]);
    const macs = await Promise.all(["a1", "a2"].map((name) => places.macOf(a, name)));
    const [own = "", siblings = ""] = macs;
    const before = await places.status(a, "a1");
    for (const [mac, address] of [
      [own, a2],
      [siblings, a1],
      [siblings, a2],
      [own, outside],
      [own, wan],
    ]) {
      for (const target of [outside, a2]) {
        await a.ok(["exec", "a1", "--", "/bin/rogue", "pretend", mac ?? "", address ?? "", target]);
      }
    }
    await a.ok(["exec", "a1", "--", "/bin/rogue", "pretend", own, a1, outside]); // the only honest one
    await a.ok(["exec", "a1", "--", "/bin/rogue", "pretend", own, a1, a2]);
    expect(await places.forgedHeard(a, "a2")).toEqual({ outside: 1, sibling: 1 });
    const after = await places.status(a, "a1");
    expect(after.spoofed - before.spoofed).toBe(10);
    expect(await from("a1", outside, a2)).toEqual(every(outside, a2));
  }, 120_000);
});

describe.skipIf(skipped)("a guest that floods", () => {
  for (const kind of ["syn", "udp", "ping", "fragments", "noise"]) {
    for (const [target, name] of [
      [outside, "the outside"],
      ["", "its sibling"],
    ] as const) {
      test(`${name} with ${kind} leaves the others served and ember-net small`, async () => {
        const to = target === "" ? await addressOf(a, "a1") : target;
        const { pid } = places.emberNet(a);
        const flood = a.ok(["exec", "a2", "--", "/bin/rogue", "flood", kind, "6", to]);
        let ended = false;
        void flood.finally(() => {
          ended = true;
        });
        let served = 0; // slowly, since the host's processors are shared, but served
        while (!ended) if ((await from("a1", outside)).length === every(outside).length) served++;
        expect(Number(await flood)).toBeGreaterThan(50);
        expect(served).toBeGreaterThan(0);
        expect(places.emberNet(a).pid).toBe(pid);
        expect(places.emberNet(a).residentBytes).toBeLessThan(mostMemoryBytes);
        await untilReached("a2", outside);
      }, 120_000);
    }
  }
});

const mostMemoryBytes = 384 * 2 ** 20;

/** What a flood has filled is free again in a moment. */
async function untilReached(name: string, target: string): Promise<void> {
  for (let attempt = 0; attempt < 10; attempt++) {
    const ways = await from(name, target);
    if (ways.length === every(target).length) return;
  }
  throw new Error(`${name} no longer reaches ${target}`);
}
