import { afterAll, describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import { networkContract, vmOn } from "../../../test/contract/network.ts";
import type { VmNetwork } from "../network.ts";
import { FakeInstallation } from "./testing/fake.ts";

const shared = new FakeInstallation();
afterAll(() => shared[Symbol.asyncDispose]());

function vm(changes: Partial<VmNetwork> = {}): VmNetwork {
  return vmOn(shared.network, { frames: "stream", ...changes });
}

networkContract("user", () => {
  const { network } = shared;
  return { ...network, attach: (asked) => network.attach({ frames: "stream", ...asked }) };
});

describe("what a VM gets", () => {
  test("is an interface over a socket, an agent's socket and a resolver that knows its siblings", async () => {
    const { nic, agent, guest } = await shared.network.attach(vm());
    const { runtimeFolder } = shared.context;
    expect(nic).toMatchObject({ kind: "socket", path: `${runtimeFolder}/00aa11bb.eth`, mtu: 65_520 });
    expect(agent).toEqual({ kind: "vsock-uds", path: `${runtimeFolder}/00aa11bb.agent`, port: 1022 });
    expect(guest).toMatchObject({
      resolvers: ["10.199.0.10"],
      searchDomains: ["ember.internal"],
      mtu: 65_520,
    });
    await shared.network.detach("00aa11bb");
  });

  test("of a hypervisor with datagrams has frames that every framework takes", async () => {
    const { nic } = await shared.network.attach(vm({ frames: "datagram" }));
    expect(nic).toMatchObject({ mtu: 1500 });
    expect(shared.requests().at(-1)).toMatchObject({ vm: { link: { kind: "datagram" }, mtu: 1500 } });
    await shared.network.detach("00aa11bb");
  });

  test("is refused where no socket can have such a path", async () => {
    const context = { ...shared.context, runtimeFolder: `/tmp/${"x".repeat(100)}` };
    const { createUserNetwork } = await import("./driver.ts");
    await expect(createUserNetwork(context).attach(vm())).rejects.toMatchObject({ code: "host-unsupported" });
  });
});

describe("the process", () => {
  test("is one, however many commands start at once", async () => {
    await using installation = new FakeInstallation();
    const { network } = installation;
    await Promise.all(["00aa11b1", "00aa11b2", "00aa11b3"].map((vmId) => network.attach(vm({ vmId }))));
    expect(installation.processes()).toHaveLength(1);
    expect((await network.status?.())?.process).toMatchObject({ pid: installation.processes()[0] });
    await network.close();
    expect(installation.processes()).toEqual([]);
    expect((await network.status?.())?.process).toBeNull();
  });

  test("takes the place of one that was killed, whose socket is still there", async () => {
    await using installation = new FakeInstallation();
    await installation.network.attach(vm());
    installation.kill();
    await installation.network.attach(vm());
    expect(installation.processes()).toHaveLength(1);
  });

  test("that ends just when it is asked is started again, and asked again", async () => {
    await using installation = new FakeInstallation();
    installation.misbehave("ends at attach");
    await installation.network.attach(vm());
    expect(installation.requests().filter(({ op }) => op === "attach")).toHaveLength(2);
  });

  test("of another protocol makes way", async () => {
    await using installation = new FakeInstallation();
    installation.misbehave("protocol 1");
    const old = installation.network.attach(vm());
    await Bun.sleep(300);
    installation.misbehave("not at all");
    await old;
    expect(installation.processes()).toHaveLength(1);
    expect((await installation.network.status?.())?.process).toMatchObject({ version: "0.0.0-fake" });
  });

  test("that does not start is told of with what it printed, and leaves nothing", async () => {
    await using installation = new FakeInstallation();
    installation.misbehave("does not start");
    await expect(installation.network.attach(vm())).rejects.toMatchObject({
      code: "network-failed",
      message: "the network's process did not start: fake-net: cannot start today",
    });
    expect(installation.processes()).toEqual([]);
  });

  test("whose answers are not understood is told of", async () => {
    await using installation = new FakeInstallation();
    installation.misbehave("nonsense");
    await expect(installation.network.attach(vm())).rejects.toMatchObject({ code: "network-failed" });
  });

  test("is not started to detach a VM, nor to tell whether it runs", async () => {
    await using installation = new FakeInstallation();
    await installation.network.detach("00aa11bb");
    expect((await installation.network.status?.())?.process).toBeNull();
    expect(await installation.network.flows?.("00aa11bb")).toEqual([]);
    expect(installation.processes()).toEqual([]);
  });
});

describe("revival", () => {
  test("attaches every VM again after a crash, and does nothing when all is well", async () => {
    await using installation = new FakeInstallation();
    const { network } = installation;
    const vms = [vm({ vmId: "00aa11b1" }), vm({ vmId: "00aa11b2" })];
    for (const each of vms) await network.attach(each);
    expect(await network.revive?.(vms)).toBe(false);
    installation.kill();
    expect(await network.revive?.(vms)).toBe(true);
    expect(await network.revive?.(vms)).toBe(false);
    expect(installation.requests().filter(({ op }) => op === "attach")).toHaveLength(4);
  });

  test("is done when the machines are at their cables again", async () => {
    await using installation = new FakeInstallation();
    await installation.network.attach(vm());
    installation.kill();
    installation.misbehave("slow links");
    expect(await installation.network.revive?.([vm()])).toBe(true);
    const status = await installation.network.status?.();
    expect(status?.vms.map(({ linked }) => linked)).toEqual([true]);
    expect(installation.requests().filter(({ op }) => op === "status").length).toBeGreaterThan(3);
  });

  test("by several commands at once is one", async () => {
    await using installation = new FakeInstallation();
    const { network } = installation;
    await network.attach(vm());
    installation.kill();
    await Promise.all(Array.from({ length: 4 }, () => network.revive?.([vm()])));
    expect(installation.processes()).toHaveLength(1);
  });

  test("goes without published ports that somebody has taken meanwhile, and tells of it", async () => {
    await using installation = new FakeInstallation();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const bound = server.address();
    const hostPort = typeof bound === "object" && bound !== null ? bound.port : 0;
    try {
      const port = { protocol: "tcp", hostAddress: "127.0.0.1", hostPort, guestPort: 80 } as const;
      expect(await installation.network.revive?.([vm({ ports: [port] })])).toBe(true);
      expect(installation.notices.join()).toContain(`127.0.0.1:${hostPort}/tcp`);
    } finally {
      server.close();
    }
  });
});

describe("proxies", () => {
  test("of the command's environment are told over the socket, and are in no argument and no variable", async () => {
    await using installation = new FakeInstallation({
      HTTPS_PROXY: "http://user:secret@proxy:3128",
      NO_PROXY: "localhost,.corp",
      HTTP_PROXY: "",
    });
    await installation.network.attach(vm());
    expect(installation.requests().find(({ op }) => op === "configure")).toMatchObject({
      proxy: { https: "http://user:secret@proxy:3128", http: "", none: "localhost,.corp" },
    });
    for (const pid of installation.processes()) {
      const { readFileSync } = await import("node:fs");
      for (const file of ["cmdline", "environ"])
        expect(readFileSync(`/proc/${pid}/${file}`, "utf8")).not.toContain("secret");
    }
  });
});
