import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { setTimeout as sleep } from "node:timers/promises";
import { networkOperation } from "../../src/vm/operations/network.ts";
import type { TestInstallation } from "../support/ember.ts";
import { addresses, every, Places, reachedFromVm } from "../support/places.ts";
import { skipUnless } from "../support/require.ts";

// Ports and policies of real guests that run: changed, refused, and cut short, on the TAP network. Host and outside are network
// namespaces.
const skipped = skipUnless("tap", process.getuid?.() === 0, "TAP interfaces need root");
let places: Places;
let ember: TestInstallation;

beforeAll(async () => {
  if (skipped) return;
  places = new Places();
  ember = await places.install("--network", "tap");
  await places.guest(ember, "web");
}, 300_000);

afterEach(async () => {
  if (skipped) return;
  const { network } = (await ember.json(["vm", "inspect", "web"])) as {
    network: { ports: { hostPort: number; protocol: string }[] };
  };
  const left = network.ports.map(({ hostPort, protocol }) => `${hostPort}/${protocol}`);
  if (left.length > 0) await ember.ok(["vm", "unpublish", "web", ...left]);
});

afterAll(async () => {
  await ember?.[Symbol.asyncDispose]();
  places?.[Symbol.dispose]();
});

/** Which of the host's ports lead to a guest, from outside. */
function open(...ports: readonly number[]): number[] {
  const targets = ports.map((port) => `${addresses.wan}:${port}`);
  const cells = places.reachedFrom(places.outside, ...targets);
  return ports.filter((port) => cells.includes(`tcp ${addresses.wan}:${port}`));
}

/** Waits until exactly these of the ports are open: a guest's server takes a moment. */
async function expectOpen(ports: readonly number[], asked: readonly number[]): Promise<void> {
  for (let attempt = 0; attempt < 20 && open(...asked).join() !== ports.join(); attempt++) await sleep(200);
  expect(open(...asked)).toEqual([...ports]);
}

async function publishedPorts(): Promise<number[]> {
  const vm = await ember.json(["vm", "inspect", "web"]);
  const { network } = vm as { network: { ports: { hostPort: number }[] } };
  return network.ports.map(({ hostPort }) => hostPort);
}

describe.skipIf(skipped)("ports of a VM that runs", () => {
  test("are published and given back, ranges too, at once and for the next start", async () => {
    const printed = await ember.ok([
      "vm",
      "publish",
      "web",
      "0.0.0.0:17000-17001:7000-7001",
      "0.0.0.0:17002:7000/udp",
    ]);
    expect(printed.split("\n")).toEqual([
      "0.0.0.0:17000 -> 7000/tcp",
      "0.0.0.0:17001 -> 7001/tcp",
      "0.0.0.0:17002 -> 7000/udp",
    ]);
    await expectOpen([17_000], [17_000]);
    expect(await ember.ok(["vm", "unpublish", "web", "17001", "17002/udp"])).toBe(
      "0.0.0.0:17000 -> 7000/tcp",
    );
    await expectOpen([17_000], [17_000]);
    await ember.ok(["vm", "restart", "web", "--timeout", "5s"]);
    await places.serveIn(ember, "web");
    await expectOpen([17_000], [17_000]);
    await ember.ok(["vm", "unpublish", "web", "17000"]);
    await expectOpen([], [17_000]);
  }, 180_000);

  test("that are taken are refused with who has them, and nothing is published", async () => {
    await using other = await places.install("--network", "tap");
    await ember.ok(["vm", "publish", "web", "0.0.0.0:17003:7000"]);
    const third = await ember.run(["vm", "create", "third", "--image", "busybox", "-p", "17003:7000"]);
    expect(third).toMatchObject({ status: 4 });
    expect(third.stderr).toContain("host port 17003 is published by VM 'web'");
    await ember.ok(["vm", "create", "second", "--image", "busybox", "--memory", "256M"]);
    const second = await ember.run(["vm", "publish", "second", "0.0.0.0:17004:7000", "17003:7000"]);
    expect(second).toMatchObject({ status: 4, stdout: "" });
    expect(second.stderr).toContain("host port 17003 is published by VM 'web'");
    await other.ok(["vm", "create", "foreign", "--image", "busybox", "--memory", "256M"]);
    const foreign = await other.run(["vm", "publish", "foreign", "0.0.0.0:17003:7000"]);
    const { installationId } = (await ember.json(["info"])) as { installationId: string };
    expect(foreign.stderr).toContain(`published by a VM of the ember installation ${installationId}`);
    const taken = await ember.run(["vm", "publish", "second", "0.0.0.0:17004:7000", "0.0.0.0:7000:7000"]);
    expect(taken).toMatchObject({ status: 4 });
    expect(taken.stderr).toMatch(/port 0.0.0.0:7000\/tcp is taken by 'reach' \(pid \d+\)/);
    await expectOpen([], [17_004]);
    expect(await ember.json(["vm", "inspect", "second"])).toMatchObject({ network: { ports: [] } });
    await ember.ok(["vm", "unpublish", "web", "17003"]);
    await ember.ok(["vm", "delete", "--force", "second"]);
  }, 300_000);

  test("whose change is killed at any step are what the database says after the next command", async () => {
    await ember.ok(["vm", "publish", "web", "0.0.0.0:17005:7000"]);
    for (const { name } of networkOperation().steps) {
      for (const phase of ["before", "after"]) {
        const killed = await ember.run(["vm", "publish", "web", "0.0.0.0:17006:7000"], {
          env: { EMBER_FAULT: `kill:vm.network:${name}:${phase}` },
        });
        expect(killed.status).toBe(137);
        await ember.ok(["reconcile"]);
        expect(await publishedPorts()).toEqual([17_005]);
        await expectOpen([17_005], [17_005, 17_006]);
      }
    }
    await ember.ok(["vm", "unpublish", "web", "17005"]);
  }, 300_000);
});

describe.skipIf(skipped)("a policy of a VM that runs", () => {
  test("holds from the command on; one that refuses is not opened by a rule that refuses more", async () => {
    const { outside, wan } = addresses;
    expect(await reachedFromVm(ember, "web", outside)).toEqual(every(outside));
    await ember.ok(["vm", "update", "web", "--deny-cidr", `${outside}/32:7000/tcp`]);
    expect(await reachedFromVm(ember, "web", outside)).toEqual([`udp ${outside}`, `icmp ${outside}`]);
    await ember.ok(["vm", "update", "web", "--allow-cidr", `${outside}/32:7000/tcp`]);
    expect(await reachedFromVm(ember, "web", outside, wan)).toEqual([`tcp ${outside}`]);
    const lone = await ember.run(["vm", "update", "web", "--deny-cidr", "10.0.0.0/8"]);
    expect(lone).toMatchObject({ status: 2 });
    await ember.ok(["vm", "update", "web", "--egress", "all"]);
    expect(await reachedFromVm(ember, "web", outside)).toEqual(every(outside));
  }, 120_000);

  test("is shown, as text and as JSON", async () => {
    await ember.ok(["vm", "update", "web", "--allow-cidr", "10.0.0.0/8:53/udp"]);
    expect(await ember.ok(["vm", "inspect", "web"])).toMatch(/^rules +--allow-cidr 10.0.0.0\/8:53\/udp$/m);
    expect(await ember.json(["vm", "inspect", "web"])).toMatchObject({
      network: {
        egress: "none",
        policy: {
          default: "refuse",
          rules: [{ action: "allow", cidr: "10.0.0.0/8", port: 53, protocol: "udp" }],
        },
      },
    });
    await ember.ok(["vm", "update", "web", "--egress", "all"]);
  }, 120_000);

  test("is a fork's as well, unless that is given another", async () => {
    const create = ["vm", "create", "source", "--image", "busybox", "--no-start"];
    await ember.ok([...create, "--allow-cidr", "10.0.0.0/8:53/udp"]);
    const same = await ember.json(["vm", "fork", "source", "same", "--no-start"]);
    expect(same).toMatchObject({ network: { policy: { default: "refuse", rules: [{ port: 53 }] } } });
    const other = await ember.json(["vm", "fork", "source", "other", "--no-start", "--egress", "all"]);
    expect(other).toMatchObject({ network: { egress: "all", policy: { rules: [] } } });
    await ember.ok(["vm", "delete", "source", "same", "other"]);
  }, 120_000);
});
