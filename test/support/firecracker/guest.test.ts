import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { connectAgent } from "../../../src/guest/connect.ts";
import { openControl } from "../../../src/guest/control.ts";
import { waitForAgent } from "../../../src/guest/ready.ts";
import { skipUnless } from "../require.ts";
import { tinyKernel } from "../tiny-kernel.ts";
import { DebianGuest, vmId } from "./debian-guest.ts";
import { firecrackerDouble } from "./double.ts";
import { TestNamespace } from "./namespace.ts";
import { record } from "./qmp.ts";
import { FirecrackerSession } from "./session.ts";

const double = firecrackerDouble();
const root = process.getuid?.() === 0;
const skip = skipUnless("firecracker-double", double.available, double.reason ?? "");
const notRoot = skipUnless("root", root, "network namespaces need root");
let guest: DebianGuest;

beforeAll(async () => {
  if (!skip) guest = await DebianGuest.make();
}, 240_000);
afterAll(() => guest?.[Symbol.dispose]());

async function booted(session: FirecrackerSession): Promise<void> {
  const isAlive = (): boolean => session.child.exitCode === null;
  const ready = await waitForAgent(guest.agent(session), { vmId, timeoutMs: 50_000, isAlive });
  expect(ready.vmId).toBe(vmId);
}

test.skipIf(skip)(
  "a guest boots, its agent answers over vsock, also after a pause, and Ctrl+Alt+Del ends it",
  async () => {
    await using session = await FirecrackerSession.start(double.firecracker, ["--id", vmId]);
    await guest.boot(session, null);
    await booted(session);
    expect(await session.ask("GET", "/")).toMatchObject({ state: "Running", id: vmId });

    await session.ask("PATCH", "/vm", { state: "Paused" });
    await expect(connectAgent(guest.agent(session), { timeoutMs: 500 })).rejects.toThrow();
    await session.ask("PATCH", "/vm", { state: "Resumed" });
    await using agent = await connectAgent(guest.agent(session));
    expect(agent.fault).toBeUndefined();

    truncateSync(guest.disk, 128 * 1024 ** 2);
    await session.ask("PATCH", "/drives/rootfs", { drive_id: "rootfs", path_on_host: guest.disk });
    await waitFor(() => session.output.includes("new size: 262144 512-byte logical blocks"));

    await session.ask("PUT", "/actions", { action_type: "FlushMetrics" });
    const lines = readFileSync(join(session.folder, "metrics"), "utf8").trim().split("\n");
    expect(lines).toHaveLength(2);
    expect(JSON.parse(lines[1] ?? "").block_rootfs.read_bytes).toBeGreaterThan(0);

    await session.ask("PUT", "/actions", { action_type: "SendCtrlAltDel" });
    expect(await session.ended).toBe(0);
    // Firecracker leaves its sockets.
    expect(existsSync(session.socket) && existsSync(join(session.folder, "v.sock"))).toBe(true);
  },
  100_000,
);

test.skipIf(skip || notRoot)(
  "a guest's packets go through its TAP, its balloon tells of its memory, and powered off it stays",
  async () => {
    using namespace = new TestNamespace("guest");
    namespace.ip("tuntap", "add", "vm0", "mode", "tap");
    namespace.ip("addr", "add", "10.99.0.1/24", "dev", "vm0");
    namespace.ip("link", "set", "vm0", "up");
    await using session = await FirecrackerSession.start(namespace.wrap(double.firecracker));
    const network = { mac: "06:00:00:00:00:01", address: "10.99.0.2/24", gateway: "10.99.0.1" };
    await guest.boot(session, { ...network, resolvers: [], mtu: 1500, searchDomains: [] }, "vm0");
    await booted(session);
    expect(namespace.run("ping", "-c", "1", "-W", "5", "10.99.0.2")).toBe(0);

    await session.ask("PATCH", "/balloon", { amount_mib: 64 });
    const statistics = async (): Promise<Readonly<Record<string, unknown>>> =>
      record(await session.ask("GET", "/balloon/statistics"));
    await waitFor(async () => (await statistics())["actual_mib"] === 64);
    await waitFor(async () => Number((await statistics())["total_memory"]) > 100 * 1024 ** 2);

    await using agent = await connectAgent(guest.agent(session));
    await using control = await openControl(agent);
    await control.shutdown({ timeoutMs: 1000 });
    await waitFor(() => session.output.includes("reboot: Power down"));
    expect(await session.ask("GET", "/")).toMatchObject({ state: "Running" });
    expect(session.child.exitCode).toBeNull();
  },
  100_000,
);

test.skipIf(skip)(
  "QEMU and the vsock device go with the double, also when it is killed while they are paused",
  async () => {
    await using session = await FirecrackerSession.start(double.firecracker);
    await Bun.write(join(session.folder, "kernel"), tinyKernel("hello from nowhere"));
    await session.ask("PUT", "/boot-source", { kernel_image_path: "kernel", boot_args: "" });
    await session.ask("PUT", "/vsock", { guest_cid: 3, uds_path: "v.sock" });
    await session.ask("PUT", "/actions", { action_type: "InstanceStart" });
    await waitFor(() => session.output.includes("hello from nowhere"));
    const children = childrenOf(session.child.pid);
    expect(children.map((pid) => programOf(pid)).sort()).toEqual(["qemu-system-x86", "vhost-device-vs"]);
    await session.ask("PATCH", "/vm", { state: "Paused" });
    session.child.kill("SIGKILL");
    await waitFor(() => children.every((pid) => programOf(pid) === ""));
  },
  30_000,
);

async function waitFor(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (await condition()) return;
    await Bun.sleep(50);
  }
  throw new Error("it did not come to pass");
}

function childrenOf(parent: number | undefined): string[] {
  return readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && parentOf(pid) === parent);
}

function parentOf(pid: string): number {
  return Number(fileOf(pid, "stat").split(") ")[1]?.split(" ")[1]);
}

const programOf = (pid: string): string => fileOf(pid, "comm").trim();

function fileOf(pid: string, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return ""; // it has ended
  }
}
