import { describe, expect, test } from "bun:test";
import { policyOf } from "../network.ts";
import { reachFixture } from "./fixture.ts";
import { addresses, type Guest, installationA, installationB, Lab, testVm } from "./lab.ts";
import { reached, waysTo } from "./wire.ts";

const { skip, wire } = reachFixture();
const out = waysTo(addresses.outside);

const from = (guest: Guest, targets: readonly string[]): Promise<string[]> =>
  reached(wire(), guest.space, targets);

describe.skipIf(skip)("a host that changes", () => {
  test("has all rules again at the next start of a VM, and until then lets a forgotten VM reach nothing", async () => {
    await using lab = await Lab.open(wire());
    const a1 = await lab.start(installationA, "a1", testVm(installationA, 1));
    lab.host.nft("flush ruleset");
    const a2 = await lab.start(installationA, "a2", testVm(installationA, 2));
    const all = [...waysTo(addresses.wan), ...out];
    expect(await from(a2, all)).toEqual(out);
    expect(await from(a1, waysTo(addresses.wan))).toEqual([]);
    expect(await reached(wire(), lab.outside, waysTo(a2.address))).toEqual([]);
  }, 30_000);

  test("may refuse more than before: the next start of a VM sees to it", async () => {
    await using lab = await Lab.open(wire());
    const a1 = await lab.start(installationA, "a1", testVm(installationA, 1));
    lab.host.run("iptables-nft", "-P", "FORWARD", "DROP");
    await lab.network(installationA).attach(testVm(installationA, 2));
    expect(await from(a1, out)).toEqual(out);
    lab.host.run("iptables-nft", "-I", "FORWARD", "1", "-j", "REJECT");
    await lab.network(installationA).attach(testVm(installationA, 3));
    expect(await from(a1, out)).toEqual(out);
  }, 30_000);

  test("has forwarding switched on, and the user is told once", async () => {
    await using lab = await Lab.open(
      wire(),
      ({ host }) => void host.run("sysctl", "-qw", "net.ipv4.ip_forward=0"),
    );
    const a1 = await lab.start(installationA, "a1", testVm(installationA, 1));
    await lab.network(installationA).attach(testVm(installationA, 2));
    expect(await from(a1, out)).toEqual(out);
    const network = lab.network(installationA);
    await network.attach(testVm(installationA, 3));
    expect(network.notices.filter((line) => /forwarding/i.test(line))).toEqual([]);
  }, 30_000);

  test("may have another way outside at the next start of a VM", async () => {
    await using lab = await Lab.open(wire());
    const a1 = await lab.start(installationA, "a1", testVm(installationA, 1));
    expect(await from(a1, out)).toEqual(out);
    lab.host.ip(
      "link set wan0 down",
      "link set wan0 name wan9",
      "link set wan9 up",
      `route add default via ${addresses.outside}`,
    );
    await lab.network(installationA).attach(testVm(installationA, 2));
    expect(await from(a1, out)).toEqual(out);
  }, 30_000);

  test("may route by two halves, as VPNs do", async () => {
    await using lab = await Lab.open(wire(), ({ host }) =>
      host.ip(
        "route delete default",
        ...["0.0.0.0/1", "128.0.0.0/1"].map((half) => `route add ${half} via ${addresses.outside}`),
      ),
    );
    const a1 = await lab.start(installationA, "a1", testVm(installationA, 1));
    const network = lab.network(installationA);
    expect(await from(a1, waysTo(addresses.near))).toEqual(waysTo(addresses.near));
    expect(await network.subnetClash("10.107.0.0/16")).toBeUndefined();
  }, 30_000);

  test("may have its outside named: nothing else is it then", async () => {
    await using lab = await Lab.open(wire());
    const named = { ...installationA, outsideInterface: "docker0" };
    const a1 = await lab.start(named, "a1", testVm(named, 1));
    const container = waysTo(addresses.container);
    expect(await from(a1, [...out, ...container])).toEqual(container);
  }, 30_000);
});

describe.skipIf(skip)("an interface of a TAP's name", () => {
  const name = `e${installationA.installationId.slice(0, 4)}0000000001`;

  test("that is a free TAP is taken over, for its new owner", async () => {
    await using lab = await Lab.open(wire(), ({ host }) => host.ip(`tuntap add dev ${name} mode tap user 7`));
    const a1 = await lab.start(installationA, "a1", testVm(installationA, 1, { userId: 65_000 }));
    expect(a1.device).toBe(name);
    expect(lab.host.run("ip", "-d", "link", "show", "dev", name)).toMatch(
      /vnet_hdr on persist on user 65000/,
    );
    expect(await from(a1, out)).toEqual(out);
  }, 30_000);

  test("that a process has open is refused, and goes on as before", async () => {
    await using lab = await Lab.open(wire());
    const a1 = await lab.start(installationA, "a1", testVm(installationA, 1));
    const again = lab
      .network(installationA)
      .attach(testVm(installationA, 1, { policy: policyOf({ egress: "none" }) }));
    await expect(again).rejects.toMatchObject({ message: expect.stringContaining(name) });
    expect(await from(a1, out)).toEqual(out);
  }, 30_000);

  test("that is of another kind is refused by its name, and nothing of the VM stays", async () => {
    await using lab = await Lab.open(wire(), ({ host }) => host.ip(`link add ${name} type bridge`));
    const vm = testVm(installationA, 1, {
      ports: [{ protocol: "tcp", hostAddress: "0.0.0.0", hostPort: 8080, guestPort: 80 }],
    });
    await expect(lab.network(installationA).attach(vm)).rejects.toMatchObject({
      message: expect.stringContaining(name),
    });
    expect(lab.host.run("nft", "list", "ruleset")).not.toContain(name);
    expect(lab.host.run("nft", "list", "ruleset")).not.toContain("8080");
    await lab.network(installationA).detach(vm.vmId);
    expect(lab.host.run("ip", "link", "show", "dev", name)).toContain(name);
  }, 30_000);

  test("is opened by nobody but its owner: the caller, when no other is named", async () => {
    await using lab = await Lab.open(wire());
    await lab.network(installationA).attach(testVm(installationA, 1));
    expect(lab.host.run("ip", "-d", "link", "show", "dev", name)).toMatch(/ user (root|0) /);
  }, 30_000);
});

describe.skipIf(skip)("what is left", () => {
  test("of a VM that was detached is nothing, twice", async () => {
    await using lab = await Lab.open(wire());
    const ports = [{ protocol: "tcp", hostAddress: "0.0.0.0", hostPort: 8080, guestPort: 80 }] as const;
    const vm = testVm(installationA, 1, { policy: policyOf({ egress: ["203.0.113.0/24"] }), ports });
    const network = lab.network(installationA);
    await network.attach(testVm(installationA, 2));
    const before = lab.host.run("nft", "list", "ruleset");
    await network.attach(vm);
    await network.detach(vm.vmId);
    await network.detach(vm.vmId);
    expect(lab.host.run("nft", "list", "ruleset")).toBe(before);
    expect(lab.host.run("ip", "-br", "link")).not.toContain("0000000001");
  }, 30_000);

  test("of an installation that is closed is nothing, and the other one goes on", async () => {
    await using lab = await Lab.open(wire(), ({ host }) => {
      for (const tool of ["iptables-nft", "iptables-legacy"]) {
        for (const chain of ["INPUT", "FORWARD", "OUTPUT"]) host.run(tool, "-P", chain, "DROP");
        for (const side of [
          ["INPUT", "-i"],
          ["OUTPUT", "-o"],
        ] as const)
          host.run(tool, "-A", ...side, "lo", "-j", "ACCEPT");
      }
      host.nft("table inet mine {\n chain f {\n type filter hook forward priority 0; policy drop;\n }\n}");
    });
    const state = (): string =>
      ["nft list ruleset", "iptables-legacy -S"].map((line) => lab.host.run(...line.split(" "))).join("\n");
    const pristine = state();
    const b1 = await lab.start(installationB, "b1", testVm(installationB, 1));
    await lab.network(installationA).attach(testVm(installationA, 1));
    await lab.network(installationA).close();
    await lab.network(installationA).close();
    expect(state()).not.toContain("a1b2");
    expect(lab.host.run("ip", "-br", "link")).not.toContain("ea1b2");
    expect(await from(b1, [...out, ...waysTo(addresses.wan)])).toEqual(out);
    await lab.network(installationB).close();
    expect(state().replace(/counter packets \d+ bytes \d+/g, "")).toBe(
      pristine.replace(/counter packets \d+ bytes \d+/g, ""),
    );
  }, 30_000);

  test("of another installation whose id begins alike stays when one is closed", async () => {
    await using lab = await Lab.open(wire());
    const alike = { ...installationB, installationId: "a1b2ffff" };
    const { nic } = await lab.network(alike).attach(testVm(alike, 2));
    await lab.network(installationA).attach(testVm(installationA, 1));
    await lab.network(installationA).close();
    expect(lab.host.run("ip", "-br", "link")).toContain(nic.kind === "tap" ? nic.device : "?");
  }, 30_000);
});

describe.skipIf(skip)("starts at the same time", () => {
  test("leave every VM with its rules, and one rule each where the host refuses", async () => {
    await using lab = await Lab.open(wire(), ({ host }) => {
      host.run("iptables-nft", "-P", "FORWARD", "DROP");
      host.nft("table inet mine {\n chain f {\n type filter hook forward priority 0; policy drop;\n }\n}");
    });
    const numbers = Array.from({ length: 16 }, (_, index) => index + 1);
    await Promise.all(
      numbers.map((n) => {
        const installation = n % 2 === 0 ? installationA : installationB;
        return lab.network(installation).attach(testVm(installation, n, { mac: "52:54:00:00:00:01" }));
      }),
    );
    for (const { installationId } of [installationA, installationB]) {
      const guests = lab.host.run("nft", "list", "set", "inet", `ember_${installationId}`, "guests");
      expect(guests.match(/"e[0-9a-f]{14}"/g)).toHaveLength(8);
    }
  }, 30_000);
});

describe.skipIf(skip)("before a VM is started", () => {
  test("a missing nft is told with the package that has it, by probe and by attach", async () => {
    const covered = Object.fromEntries(["/usr/sbin/nft", "/sbin/nft"].map((path) => [path, "/dev/null"]));
    await using lab = await Lab.open(wire(), () => undefined, covered);
    const network = lab.network(installationA);
    const probed = await network.probe();
    expect(probed.usable ? "" : `${probed.reason} ${probed.hint}`).toMatch(/nft.*nftables/);
    await expect(network.attach(testVm(installationA, 1))).rejects.toMatchObject({ code: "tool-missing" });
    expect(lab.host.run("ip", "-br", "link")).not.toContain("ea1b2");
  }, 30_000);

  test("probe changes nothing, and says yes here", async () => {
    await using lab = await Lab.open(wire());
    expect(await lab.network(installationA).probe()).toMatchObject({ usable: true });
    expect(lab.host.run("nft", "list", "ruleset")).toBe("");
  }, 30_000);

  test("a subnet that the host or another installation uses is told, with a free one", async () => {
    await using lab = await Lab.open(wire());
    const [a, b] = [lab.network(installationA), lab.network(installationB)];
    expect(await a.subnetClash("172.16.0.0/12")).toMatchObject({ why: expect.stringContaining("docker0") });
    expect(await a.subnetClash("192.0.2.0/28")).toMatchObject({ free: expect.stringContaining("/28") });
    expect(await a.subnetClash(installationA.subnet)).toBeUndefined();
    const vm = testVm(installationA, 1);
    await a.attach(vm);
    expect(await a.subnetClash(installationA.subnet)).toBeUndefined();
    await a.detach(vm.vmId);
    const clash = await b.subnetClash("10.100.128.0/17");
    expect(clash?.free).toMatch(/^10\..*\/17$/);
    expect(clash?.free).not.toMatch(/^10\.100\./);
  }, 30_000);
});
