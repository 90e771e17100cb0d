// Run by driver.test.ts in an empty network namespace.
import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { networkContract, policyOf, vmOn } from "../../../../test/contract/network.ts";
import { command } from "../../../../test/support/netns.ts";
import { setToolEnvironment } from "../../../host/tools.ts";
import { networkContext } from "../../testing/context.ts";
import { createInspector } from "../../user/inspector.ts";
import { createTapNetwork } from "../driver.ts";

const notices: string[] = [];
const contextOf = (installationId: string) =>
  networkContext({
    installationId,
    notice: (line: string) => {
      notices.push(line);
    },
  });
const create = (id = "0123abcd") => {
  const context = contextOf(id);
  return createTapNetwork(context, async () => createInspector(context));
};
const tap = "e012300aa11bb22";
const vmId = "00aa11bb22cc";
const rules = (): string => command("nft", "list", "ruleset");
const links = (): string => command("ip", "-br", "link");

beforeAll(() => {
  command("ip", "link", "set", "lo", "up");
});

afterEach(async () => {
  await create().close();
  await create("4567abcd").close();
  spawnSync("nft", ["flush", "ruleset"]);
});

networkContract("tap", () => create());

describe("attaching", () => {
  test("makes a TAP of the VM's user with its address, without IPv6, and switches forwarding on, saying so", async () => {
    command("sysctl", "-qw", "net.ipv4.ip_forward=0");
    const network = create();
    await network.attach(vmOn(network, { vmId, userId: 1_879_048_200 }));
    expect(command("ip", "-details", "link", "show", "dev", tap)).toContain("user 1879048200");
    expect(command("ip", "-br", "address", "show", "dev", tap)).toContain("10.199.0.5/30");
    expect(readFileSync(`/proc/sys/net/ipv6/conf/${tap}/disable_ipv6`, "utf8").trim()).toBe("1");
    expect(readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8").trim()).toBe("1");
    expect(notices.join("\n")).toContain("IP forwarding was off");
  });

  test("again with other ports and another policy leaves none of the old ones", async () => {
    const network = create();
    const port = { protocol: "tcp", hostAddress: "0.0.0.0", hostPort: 18_080, guestPort: 80 } as const;
    await network.attach(
      vmOn(network, { vmId, ports: [port], policy: policyOf({ egress: ["10.0.0.0/8"] }) }),
    );
    expect(rules()).toContain("18080");
    await network.attach(
      vmOn(network, { vmId, ports: [{ ...port, guestPort: 81 }], policy: policyOf({ egress: "none" }) }),
    );
    expect(rules()).toContain("10.199.0.6 . 81");
    expect(rules()).not.toContain("10.199.0.6 . 80");
    expect(rules()).toContain(`"${tap}" : goto siblings`);
    expect(rules()).not.toContain("10.0.0.0/8");
  });

  test("puts back rules that somebody has removed", async () => {
    const network = create();
    await network.attach(vmOn(network, { vmId }));
    command("nft", "flush", "chain", "inet", "ember_0123abcd", "forward");
    command("nft", "delete", "chain", "inet", "ember_0123abcd", "input");
    const other = vmOn(network, { vmId: "ffaa11bb22cc", block: "10.199.0.8/30" });
    await network.attach(other);
    expect(rules()).toContain('iifname "e0123*" iifname vmap @policies');
    expect(rules()).toContain("hook input");
    expect(rules()).toContain(tap);
  });

  test("writes no rule anew that is as it was written, and all when one is not", async () => {
    const network = create();
    const attachTwo = async (): Promise<void> => {
      for (const id of [vmId, "ffaa11bb22cc"]) {
        await network.detach(id);
        await network.attach(
          vmOn(network, { vmId: id, block: id === vmId ? "10.199.0.4/30" : "10.199.0.8/30" }),
        );
      }
    };
    const forward = (): string => command("nft", "-a", "list", "chain", "inet", "ember_0123abcd", "forward");
    await attachTwo();
    const written = forward();
    await attachTwo();
    expect(forward()).toBe(written);
    const plain = written.replace(/ # handle \d+/g, "");
    const handle = /oifname @closed drop .*# handle (\d+)/.exec(written)?.[1] ?? "";
    for (const change of [
      `delete rule inet ember_0123abcd forward handle ${handle}`,
      "insert rule inet ember_0123abcd forward accept",
      "add rule inet ember_0123abcd forward accept",
      "add chain inet ember_0123abcd forward { policy drop; }",
    ]) {
      command("nft", change);
      expect(forward()).not.toBe(written);
      await attachTwo();
      expect(forward().replace(/ # handle \d+/g, "")).toBe(plain);
    }
  });

  test("refuses a name that is taken by what is no TAP", async () => {
    const network = create();
    command("ip", "link", "add", tap, "type", "bridge");
    await expect(network.attach(vmOn(network, { vmId }))).rejects.toMatchObject({ code: "wrong-state" });
    expect(links()).toContain(tap);
    command("ip", "link", "delete", tap);
  });

  test("refuses a TAP that a process holds, and leaves it as it is", async () => {
    const network = create();
    const vm = vmOn(network, { vmId });
    await network.attach(vm);
    await using _held = await holdTap();
    await expect(network.attach(vm)).rejects.toThrow("in use by another process");
    expect(links()).toContain(tap);
  });

  test("without nft says what to install", async () => {
    const nft = command("sh", "-c", "command -v nft").trim();
    command("mount", "--bind", "/dev/null", nft);
    setToolEnvironment({}); // forgets where tools were found
    try {
      const found = await create().probe();
      expect(found).toMatchObject({
        usable: false,
        hint: expect.stringContaining("apt-get install nftables"),
      });
      await expect(create().attach(vmOn(create(), { vmId }))).rejects.toMatchObject({ code: "tool-missing" });
    } finally {
      command("umount", nft);
      setToolEnvironment({});
    }
  });
});

/** As a hypervisor would: QEMU, stopped before its first instruction. */
async function holdTap(): Promise<AsyncDisposable> {
  const net = [
    "-netdev",
    `tap,id=n,ifname=${tap},script=no,downscript=no`,
    "-device",
    "virtio-net-pci,netdev=n,romfile=",
  ];
  const child = spawn("qemu-system-x86_64", ["-S", "-nodefaults", "-display", "none", ...net], {
    stdio: "ignore",
  });
  while (!command("ip", "link", "show", "dev", tap).includes("LOWER_UP")) await sleep(20);
  return {
    async [Symbol.asyncDispose]() {
      const ended = new Promise((resolve) => child.on("exit", resolve));
      child.kill("SIGKILL");
      await ended;
    },
  };
}

describe("taking down", () => {
  test("detach leaves nothing of the VM, and other VMs as they are", async () => {
    const network = create();
    const port = { protocol: "udp", hostAddress: "127.0.0.1", hostPort: 18_053, guestPort: 53 } as const;
    await network.attach(
      vmOn(network, { vmId, ports: [port], policy: policyOf({ egress: ["192.0.2.0/24"] }) }),
    );
    await network.attach(vmOn(network, { vmId: "ffaa11bb22cc", block: "10.199.0.8/30" }));
    await network.detach(vmId);
    expect(links()).not.toContain(tap);
    for (const trace of [tap, "10.199.0.6", "18053"]) expect(rules()).not.toContain(trace);
    expect(rules()).toContain("10.199.0.10");
  });

  test("close leaves nothing of the installation, and another one untouched", async () => {
    const [network, other] = [create(), create("4567abcd")];
    await network.attach(vmOn(network, { vmId }));
    await other.attach(vmOn(other, { vmId: "ffaa11bb22cc", block: "10.199.0.8/30" }));
    await network.close();
    await network.close();
    expect(rules()).not.toContain("0123abcd");
    expect(links()).not.toContain("e0123");
    expect(rules()).toContain("ember_4567abcd");
    expect(links()).toContain("e4567ffaa11bb22");
  });
});

describe("other firewalls", () => {
  test("that refuse what is forwarded are asked once, first, and forgotten on close", async () => {
    command(
      "nft",
      "add table inet theirs; add chain inet theirs f { type filter hook forward priority 0; policy drop; }",
    );
    command("nft", "add rule inet theirs f reject");
    command("iptables", "-P", "FORWARD", "DROP");
    command("iptables", "-N", "DOCKER-USER");
    command("iptables", "-A", "FORWARD", "-j", "DOCKER-USER");
    command("iptables", "-A", "INPUT", "-j", "DROP");
    const network = create();
    for (let round = 0; round < 2; round++) await network.attach(vmOn(network, { vmId }));
    const theirs = command("nft", "list", "chain", "inet", "theirs", "f");
    expect(theirs.match(/ember_0123abcd/g)).toHaveLength(2);
    expect(theirs.indexOf("ember_0123abcd")).toBeLessThan(theirs.indexOf("reject"));
    const saved = command("iptables", "-S");
    expect(saved.match(/ember_0123abcd/g)).toHaveLength(3);
    expect(saved).toMatch(/-A INPUT -i e0123\+ .*\n-A INPUT -j DROP/);
    command("iptables", "-I", "INPUT", "-j", "DROP"); // somebody puts a rule before ours
    await network.attach(vmOn(network, { vmId }));
    expect(command("iptables", "-S", "INPUT").split("\n")[1]).toContain("ember_0123abcd");
    await network.close();
    expect(command("iptables", "-S") + rules()).not.toContain("ember_0123abcd");
  });

  test("that are empty and let everything pass are left alone", async () => {
    command(
      "nft",
      "add table ip quiet; add chain ip quiet f { type filter hook forward priority 0; policy accept; }",
    );
    const network = create();
    await network.attach(vmOn(network, { vmId }));
    expect(command("nft", "list", "table", "ip", "quiet")).not.toContain("ember");
  });
});

test("a subnet that overlaps with a route of the host is told, with a free one; our own VMs do not count", async () => {
  command("ip", "link", "add", "other0", "type", "bridge");
  command("ip", "address", "add", "10.100.7.1/24", "dev", "other0");
  command("ip", "link", "set", "other0", "up");
  const network = create();
  const clash = await network.subnetClash?.("10.100.0.0/16");
  expect(clash).toEqual({
    why: "overlaps with the route 10.100.7.0/24 of interface 'other0'",
    free: "10.101.0.0/16",
  });
  await network.attach(vmOn(network, { vmId }));
  expect(await network.subnetClash?.("10.199.0.0/16")).toBeUndefined();
  expect(await create("4567abcd").subnetClash?.("10.199.0.0/16")).toMatchObject({ free: "10.101.0.0/16" });
  command("ip", "link", "delete", "other0");
});
