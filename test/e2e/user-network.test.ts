import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { networkProcesses, TestInstallation } from "../support/ember.ts";
import { command, NetworkNamespace } from "../support/netns.ts";
import { skipUnless } from "../support/require.ts";
import { writeBusyboxTar } from "../support/rootfs.ts";

// The network without root, with real guests of two installations on one host, and the outside: network namespaces. Who runs
// ember there is root, for making these; nothing that ember does needs it (see unprivileged.test.ts).
const skipped = skipUnless("root", process.getuid?.() === 0, "network namespaces need root");
const work = mkdtempSync(join(tmpdir(), "ember-user-net-"));
const reach = join(work, "reach");
const servers: ChildProcess[] = [];
let places: { readonly host: NetworkNamespace; readonly outside: NetworkNamespace };
let a: TestInstallation;
let b: TestInstallation;

const addresses = {
  wan: "192.0.2.10",
  outside: "192.0.2.1",
  /** Appears on the host later. */
  vpn: "198.51.100.7",
  a1: "10.100.0.3",
  gatewayOfA1: "10.100.0.1",
  a2: "10.100.0.11",
  b1: "10.101.0.3",
} as const;
const published = { everywhere: 17_000, loopback: 17_001 };

beforeAll(async () => {
  if (skipped) return;
  const source = join(import.meta.dir, "../support/reach/main.go");
  command("env", "CGO_ENABLED=0", "go", "build", "-o", reach, source);
  const [host, outside] = [new NetworkNamespace("un-host"), new NetworkNamespace("un-outside")];
  places = { host, outside };
  const [wan, eth0] = [`${addresses.wan}/24`, `${addresses.outside}/24`];
  host.connect(outside, { name: "wan0", address: wan }, { name: "eth0", address: eth0 });
  host.ip("route", "add", "default", "via", addresses.outside);
  host.ip("address", "add", "2001:db8:1::10/64", "dev", "wan0", "nodad");
  for (const { name } of [host, outside])
    servers.push(spawn("ip", ["netns", "exec", name, reach, "serve"], { stdio: "ignore" }));
  a = new TestInstallation({ namespace: host.name });
  b = new TestInstallation({ namespace: host.name });
  writeBusyboxTar(join(work, "rootfs.tar"));
  for (const [installation, subnet] of [
    [a, "10.100.0.0/16"],
    [b, "10.101.0.0/16"],
  ] as const) {
    const drivers = ["--network", "user", "--hypervisor", "qemu", "--accel", "tcg", "--storage", "qcow2"];
    await installation.ok(["init", "--subnet", subnet, ...drivers]);
    await installation.pullKernel();
    await installation.ok(["image", "import", join(work, "rootfs.tar"), "--name", "busybox"]);
  }
  const ports = [`0.0.0.0:${published.everywhere}:7000`, `127.0.0.1:${published.loopback}:7000/udp`];
  await makeGuest(a, "a1", ...ports.flatMap((port) => ["-p", port]));
  await makeGuest(a, "a2");
  await makeGuest(b, "b1");
}, 600_000);

afterAll(async () => {
  await a?.[Symbol.asyncDispose]();
  await b?.[Symbol.asyncDispose]();
  for (const server of servers) server.kill("SIGKILL");
  if (!skipped) for (const place of Object.values(places)) place[Symbol.dispose]();
  rmSync(work, { recursive: true, force: true });
});

async function makeGuest(installation: TestInstallation, name: string, ...flags: string[]): Promise<void> {
  await installation.ok(["vm", "create", name, "--image", "busybox", "--memory", "256M", ...flags]);
  await installation.ok(["cp", reach, `${name}:/bin/reach`]);
  await installation.ok(["exec", name, "--detach", "--", "/bin/reach", "serve"]);
}

const within = (vm: string, ...script: readonly string[]): Promise<string> =>
  (vm.startsWith("b") ? b : a).ok(["exec", vm, "--", "sh", "-c", script.join("; ")]);

/** Which of the targets answer a guest, or somebody elsewhere, on TCP and UDP, as "tcp ADDRESS". */
async function reached(from: string, ...targets: readonly string[]): Promise<string[]> {
  const place = from === "host" || from === "outside" ? places[from] : undefined;
  const output =
    place === undefined
      ? await within(from, `/bin/reach try ${targets.join(" ")}`)
      : place.run(reach, "try", ...targets);
  return output.split("\n").flatMap((line) => /^((?:tcp|udp) .*) yes$/.exec(line)?.[1] ?? []);
}

const both = (...targets: readonly string[]): string[] =>
  targets.flatMap((target) => [`tcp ${target}`, `udp ${target}`]);

/** Waits, as long as the test may take, for what takes a moment. */
async function eventually(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await holds())) await sleep(100);
}

describe.skipIf(skipped)("a guest of the user network", () => {
  test("has the address, the gateway, the resolver and the large packets that it is told of", async () => {
    expect(await within("a1", "ip -4 addr show dev eth0")).toContain(`inet ${addresses.a1}/29`);
    expect(await within("a1", "ip route")).toContain(`default via ${addresses.gatewayOfA1} dev eth0`);
    expect(await within("a1", "cat /etc/resolv.conf")).toBe("search ember.internal\nnameserver 10.100.0.2");
    expect(await within("a1", "ip link show dev eth0")).toContain("mtu 65520");
    expect(await within("a1", `ping -c 1 -W 5 ${addresses.gatewayOfA1}`)).toContain("1 packets received");
  });

  test("has IPv6, too, where the host has it: to its gateway and its siblings, and not to the host", async () => {
    const address = /inet6 (fd\S+)::3\/64/.exec(await within("a2", "ip -6 addr show dev eth0"))?.[1];
    expect(await within("a1", "ip -6 route")).toMatch(/default via fd\S+::1 dev eth0/);
    const answered = async (target: string): Promise<boolean> =>
      (await within("a1", `ping -6 -c 1 -W 2 ${target} || true`)).includes("1 packets received");
    expect(await answered(`${address}::3`)).toBe(true);
    expect(await answered("2001:db8:1::10")).toBe(false);
  });

  test("reaches the outside and its siblings, and no other installation's VMs", async () => {
    const { outside, a1, a2, b1 } = addresses;
    expect(await reached("a1", outside, a2, b1)).toEqual(both(outside, a2));
    expect(await reached("b1", outside, a1, a2)).toEqual(both(outside));
  });

  test("knows its siblings by name, those that came later too, and no other's", async () => {
    const lookUp = (name: string): Promise<string> => within("a1", `ping -c 1 -W 5 ${name} || true`);
    expect(await lookUp("a2")).toMatch(/^PING a2 \((10\.100\.0\.11|fd\S+::3)\)/);
    expect(await lookUp("a2.ember.internal")).toContain("1 packets received");
    expect(await lookUp("b1.ember.internal")).not.toContain("packets");
  });

  test("reaches the host at none of its addresses, nor at one that appears later", async () => {
    const { wan, gatewayOfA1, vpn } = addresses;
    const own = [wan, gatewayOfA1, "127.0.0.1", "0.0.0.0", `${wan}:${published.everywhere}`];
    expect((await reached("a2", ...own)).filter((cell) => !/ (127|0)\./.test(cell))).toEqual([]);
    places.host.ip("address", "add", `${vpn}/32`, "dev", "lo");
    expect(await reached("a2", vpn)).toEqual([]);
    expect(await reached("host", vpn)).toEqual(both(vpn));
  });
});

describe.skipIf(skipped)("published ports", () => {
  test("lead into the guest from where they are published, TCP and UDP each for itself", async () => {
    const [everywhere, loopback] = [
      `${addresses.wan}:${published.everywhere}`,
      `127.0.0.1:${published.loopback}`,
    ];
    expect(await reached("outside", everywhere)).toEqual([`tcp ${everywhere}`]);
    expect(await reached("host", everywhere, loopback)).toEqual([`tcp ${everywhere}`, `udp ${loopback}`]);
  });

  test("that are taken are refused by their number, and nothing is left of the VM", async () => {
    const port = `${published.everywhere}`;
    const refused = await b.run(["vm", "create", "b2", "--image", "busybox", "-p", `${port}:80`]);
    expect(refused.status).toBe(4);
    expect(refused.stderr).toContain(port);
    expect(await b.json(["vm", "list"])).toMatchObject([{ name: "b1" }]);
  });
});

describe.skipIf(skipped)("a VM with --network none", () => {
  test("is entered and reaches nobody, nor does anybody reach it", async () => {
    await makeGuest(a, "a3", "--network", "none");
    expect(await within("a3", "echo here")).toBe("here");
    expect(await reached("a3", addresses.outside, addresses.a1, addresses.wan)).toEqual([]);
    expect(await reached("a1", "10.100.0.19")).toEqual([]);
    expect(await within("a3", "cat /etc/resolv.conf 2>&1 || true")).not.toContain("nameserver");
    await a.ok(["vm", "delete", "--force", "a3"]);
  });
});

describe.skipIf(skipped)("the network's process", () => {
  /** Kills the one of `a`, as a crash does. */
  async function killNetwork(): Promise<void> {
    const [pid, ...others] = networkProcesses(a.stateDir);
    expect(others).toEqual([]);
    if (pid !== undefined) process.kill(pid, "SIGKILL");
    await eventually(() => networkProcesses(a.stateDir).length === 0);
  }

  async function expectWhole(): Promise<void> {
    const { outside, a2, wan } = addresses;
    const everywhere = `${wan}:${published.everywhere}`;
    await eventually(async () => (await reached("a1", outside, a2)).length === 4);
    expect(await reached("outside", everywhere)).toEqual([`tcp ${everywhere}`]);
    expect(networkProcesses(a.stateDir)).toHaveLength(1);
  }

  const restarts = async (): Promise<number> =>
    (await a.ok(["events", "--format", "json"])).split('"network.restarted"').length - 1;

  test("is one for an installation, and tells of itself", async () => {
    expect(networkProcesses(a.stateDir)).toHaveLength(1);
    const checks = (await a.run(["doctor", "--format", "json"])).stdout;
    expect(checks).toContain(`process ${networkProcesses(a.stateDir)[0]}`);
  });

  test("that was killed is started anew by the next exec, and all that was connected is again", async () => {
    const before = await restarts();
    await killNetwork();
    expect(await a.ok(["info"])).toContain("network's process is gone");
    expect(await within("a1", "echo back")).toBe("back");
    await expectWhole();
    expect(await restarts()).toBe(before + 1);
  });

  test("that was killed is started anew by the next command that changes something, and by reconcile", async () => {
    for (const change of [["vm", "pause", "a2"], ["vm", "resume", "a2"], ["reconcile"]]) {
      const before = await restarts();
      await killNetwork();
      await a.ok(change);
      expect(await restarts()).toBe(before + 1);
    }
    await expectWhole();
  });

  test("that is killed while a VM starts costs that start nothing", async () => {
    const starting = a.ok(["vm", "create", "a3", "--image", "busybox", "--memory", "256M"]);
    await eventually(() => readdirSync(runtimeFolder).filter((name) => name.endsWith(".eth")).length === 3);
    await killNetwork();
    await starting;
    expect(await within("a3", "echo here")).toBe("here");
    await a.ok(["vm", "delete", "--force", "a3"]);
    await expectWhole();
  });

  test("is gone with the last VM, and so are its sockets", async () => {
    for (const vm of ["a1", "a2"]) await a.ok(["vm", "delete", "--force", vm]);
    await eventually(() => networkProcesses(a.stateDir).length === 0);
    expect(readdirSync(runtimeFolder).filter((name) => /\.(eth|agent|sock)$/.test(name))).toEqual([]);
    expect(await reached("b1", addresses.outside)).toEqual(both(addresses.outside));
  });

  let runtimeFolder: string;
  beforeAll(async () => {
    if (!skipped) runtimeFolder = ((await a.json(["info"])) as { runtimeDir: string }).runtimeDir;
  });
});
