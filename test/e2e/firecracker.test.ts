import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processStartTime } from "#platform";
import { TestInstallation } from "../support/ember.ts";
import { firecrackerHost, initWithFirecracker } from "../support/firecracker-host.ts";
import { writeBusyboxTar } from "../support/rootfs.ts";

// The whole path from `vm create` to `exec` with Firecracker under its jailer, vsock, and TAP in the host's own network.
const work = mkdtempSync(join(tmpdir(), "ember-firecracker-"));
const host = firecrackerHost(join(work, "tools"));
const ember = new TestInstallation({ toolFolder: host.toolFolder });
const port = 20_000 + (process.pid % 20_000);

const forwarding = "/proc/sys/net/ipv4/ip_forward";
let forwardedBefore = "";

beforeAll(async () => {
  if (host.skipped) return;
  forwardedBefore = readFileSync(forwarding, "utf8");
  writeBusyboxTar(join(work, "rootfs.tar"));
  await initWithFirecracker(ember, "4G");
  await ember.ok(["image", "import", join(work, "rootfs.tar"), "--name", "busybox"]);
  await ember.ok([
    ...["vm", "create", "web", "--image", "busybox", "--memory", "256M", "--disk-size", "1G"],
    ...["-p", `${port}:80`, "--", "sh", "-c", "while :; do echo hello | nc -l -p 80; done"],
  ]);
}, 300_000);

afterAll(async () => {
  await ember[Symbol.asyncDispose]();
  if (forwardedBefore !== "") writeFileSync(forwarding, forwardedBefore);
  rmSync(work, { recursive: true, force: true });
});

const sh = (script: string, vm = "web"): Promise<string> => ember.ok(["exec", vm, "--", "sh", "-c", script]);

interface Shown {
  readonly id: string;
  readonly pid: number;
  readonly network: { readonly guestIp: string; readonly hostIp: string };
}

async function inspect(vm = "web"): Promise<Shown> {
  const shown: unknown = await ember.json(["vm", "inspect", vm]);
  return shown as Shown;
}

/** What a TCP connection from the host reads; the guest's server needs a moment between two of them. */
async function readPort(address: string, at: number): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const text = await new Promise<string>((resolve) => {
      let read = "";
      const socket = connect({ host: address, port: at, timeout: 5000 });
      socket.on("data", (chunk) => {
        read += chunk.toString();
      });
      socket.on("close", () => resolve(read));
      socket.on("error", () => socket.destroy());
      socket.on("timeout", () => socket.destroy());
    });
    if (text !== "" || attempt === 20) return text;
    await Bun.sleep(200);
  }
}

describe.skipIf(host.skipped)("a VM under Firecracker", () => {
  test("is entered over vsock, and info says how it is confined", async () => {
    expect(await sh("id -u; hostname; uname -s")).toBe("0\nweb\nLinux");
    expect(await ember.json(["info"])).toMatchObject({
      hypervisor: "firecracker",
      network: "tap",
      confinement: { confined: true },
    });
    expect(await ember.json(["vm", "inspect", "web"])).toMatchObject({ status: "running" });
  }, 60_000);

  test("runs as a user of its own, chrooted, in a process namespace of its own", async () => {
    const { pid } = await inspect();
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const uid = Number(/^Uid:\t(\d+)/m.exec(status)?.[1]);
    expect(uid).toBeGreaterThanOrEqual(0x7000_0000);
    expect(Number(/^Gid:\t(\d+)/m.exec(status)?.[1])).toBe(uid);
    expect((/^NSpid:\t(.*)$/m.exec(status)?.[1] ?? "").split("\t").length).toBe(2);
  });

  test("is reached by the host, over its address and its published port, and never reaches the host", async () => {
    const { network } = await inspect();
    expect(await readPort(network.guestIp, 80)).toBe("hello\n");
    expect(await readPort("127.0.0.1", port)).toBe("hello\n");
    const server = Bun.listen({ hostname: "0.0.0.0", port: 0, socket: { data: () => undefined } });
    try {
      const tried = await sh(
        `nc -w 2 ${network.hostIp} ${server.port} </dev/null && echo reached || echo refused`,
      );
      expect(tried).toEndWith("refused");
      expect(await sh(`ping -c 1 -W 2 ${network.hostIp} >/dev/null && echo reached || echo refused`)).toBe(
        "refused",
      );
    } finally {
      server.stop(true);
    }
  }, 120_000);

  test("pauses, resumes, and tells what went through its devices", async () => {
    await ember.ok(["vm", "pause", "web"]);
    expect((await ember.run(["exec", "web", "--", "true"])).status).toBe(4);
    await ember.ok(["vm", "resume", "web"]);
    expect(await sh("echo back")).toBe("back");
    expect(await ember.json(["vm", "stats", "web"])).toMatchObject([
      { io: { diskReadBytes: expect.any(Number) }, guest: { processes: expect.any(Number) } },
    ]);
  }, 60_000);

  test("has its disk grown while it runs", async () => {
    await ember.ok(["vm", "resize", "web", "--disk-size", "2G"]);
    expect(Number((await sh("df -k / | tail -1")).split(/\s+/)[1])).toBeGreaterThan(1_800_000);
  }, 60_000);

  test("is forked while it runs; the two find each other by name, also after a restart", async () => {
    await sh("echo kept > /root/kept; sync");
    await ember.ok(["vm", "fork", "web", "copy"]);
    expect(await sh("cat /root/kept; hostname", "copy")).toBe("kept\ncopy");
    expect(await sh("ping -c 1 -W 5 copy.ember.internal >/dev/null && echo found")).toBe("found");
    await ember.ok(["vm", "restart", "web"]);
    expect(await sh("ping -c 1 -W 5 web >/dev/null && echo found", "copy")).toBe("found");
    await ember.ok(["vm", "delete", "--force", "copy"]);
    expect(await sh("ping -c 1 -W 5 copy.ember.internal >/dev/null 2>&1 || echo gone")).toBe("gone");
  }, 240_000);

  test("powers off when it is told, and starts again; nothing is left of it meanwhile", async () => {
    const { id, pid } = await inspect();
    await ember.ok(["vm", "stop", "web"]);
    expect(readFileSync(join(ember.stateDir, "vms", id, "console.log"), "utf8")).toContain(
      "ember-guest: ready",
    );
    expect(processStartTime(pid)).toBeUndefined();
    expect(readdirSync("/sys/class/net").filter((name) => name.endsWith(id.slice(0, 10)))).toEqual([]);
    await ember.ok(["vm", "start", "web"]);
    expect(await sh("cat /root/kept")).toBe("kept");
  }, 120_000);

  test("leaves nothing on the host when everything is removed", async () => {
    await ember.ok(["deinit", "--purge"]);
    expect(ember.leftovers()).toEqual([]);
  }, 60_000);
});
