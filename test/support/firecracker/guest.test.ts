import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostArchitecture } from "../../../src/guest/binary/architecture.ts";
import { readGuestBinary } from "../../../src/guest/binary/on-disk.ts";
import { connectAgent } from "../../../src/guest/connect.ts";
import { identityJson } from "../../../src/guest/identity.ts";
import { buildBaseInitrd } from "../../../src/guest/initrd/base.ts";
import { composeInitrd } from "../../../src/guest/initrd/compose.ts";
import { makeKeyPair } from "../../../src/guest/keys.ts";
import { waitForAgent } from "../../../src/guest/ready.ts";
import { pullPreset } from "../../../src/kernel/presets.ts";
import type { Kernel } from "../../../src/kernel/record.ts";
import { sharedCache } from "../ember.ts";
import { skipUnless } from "../require.ts";
import { writeBusyboxTar } from "../rootfs.ts";
import { tinyKernel } from "../tiny-kernel.ts";
import { firecrackerDouble } from "./double.ts";
import { FirecrackerSession } from "./session.ts";

const double = firecrackerDouble();
const skip = skipUnless("firecracker-double", double.available, double.reason ?? "");
const work = mkdtempSync(join(tmpdir(), "fc-guest-"));
const disk = join(work, "disk.ext4");
const hostKey = makeKeyPair("host");
const clientKey = makeKeyPair("client");
let kernel: Kernel;

beforeAll(async () => {
  if (skip) return;
  const places = { kernelsDir: join(work, "kernels"), cacheDir: sharedCache };
  kernel = await pullPreset(places, "debian", {});
  makeDisk();
  await makeInitrd();
}, 240_000);

afterAll(() => rmSync(work, { recursive: true, force: true }));

function makeDisk(): void {
  const tree = join(work, "tree");
  mkdirSync(tree);
  writeBusyboxTar(join(work, "root.tar"));
  spawnSync("tar", ["-xf", join(work, "root.tar"), "-C", tree]);
  const made = spawnSync("mke2fs", ["-q", "-t", "ext4", "-d", tree, disk, "64M"]);
  if (made.status !== 0) throw new Error(`mke2fs failed: ${made.stderr}`);
}

async function makeInitrd(): Promise<void> {
  const guestBinary = readGuestBinary(hostArchitecture());
  const base = buildBaseInitrd({ guestBinary, archive: kernel.archive, folder: join(work, "initrd-base") });
  const identity = identityJson({
    vmId: "abc123",
    hostname: "double",
    bootTimeMs: Date.now(),
    root: { device: "/dev/vda", fsType: "ext4", readOnly: false },
    network: null,
    hosts: [],
    agent: {
      listen: ["vsock:1022"],
      hostKey: hostKey.privateKey,
      authorizedKeys: [clientKey.publicKey],
    },
    process: {
      ...{ mode: "none", argv: [], explicit: false, env: [], user: "" },
      ...{ workdir: "", stopSignal: "SIGTERM", onExit: "stay" },
    },
    sessionUser: "",
    powerOff: "reboot",
  });
  await composeInitrd(base, identity, join(work, "initrd"));
}

/** The guest of this test, started, with its vsock at "v.sock". */
async function boot(session: FirecrackerSession): Promise<void> {
  await session.ask("PUT", "/machine-config", { vcpu_count: 1, mem_size_mib: 256 });
  await session.ask("PUT", "/boot-source", {
    kernel_image_path: kernel.bootPath,
    initrd_path: join(work, "initrd"),
    boot_args: "console=ttyS0 reboot=k panic=-1",
  });
  await session.ask("PUT", "/drives/rootfs", {
    drive_id: "rootfs",
    is_root_device: false,
    path_on_host: disk,
  });
  await session.ask("PUT", "/vsock", { guest_cid: 3, uds_path: "v.sock" });
  await session.ask("PUT", "/entropy", {});
  await session.ask("PUT", "/metrics", { metrics_path: "metrics" });
  await session.ask("PUT", "/actions", { action_type: "InstanceStart" });
}

function agentOf(session: FirecrackerSession) {
  return {
    endpoint: { kind: "vsock-uds", path: join(session.folder, "v.sock"), port: 1022 },
    hostPublicKey: hostKey.publicKey,
    clientPrivateKey: clientKey.privateKey,
    user: "root",
  } as const;
}

test.skipIf(skip)(
  "a guest boots, its agent answers over vsock, also after a pause, and Ctrl+Alt+Del ends it",
  async () => {
    await using session = await FirecrackerSession.start(double.firecracker, ["--id", "abc123"]);
    await boot(session);
    const isAlive = (): boolean => session.child.exitCode === null;
    const limits = { vmId: "abc123", timeoutMs: 50_000, isAlive };
    expect((await waitForAgent(agentOf(session), limits)).vmId).toBe("abc123");
    expect(await session.ask("GET", "/")).toMatchObject({ state: "Running", id: "abc123" });

    await session.ask("PATCH", "/vm", { state: "Paused" });
    await session.ask("PATCH", "/vm", { state: "Paused" });
    expect(await session.ask("GET", "/")).toMatchObject({ state: "Paused" });
    await session.ask("PATCH", "/vm", { state: "Resumed" });
    await using agent = await connectAgent(agentOf(session));
    expect(agent).toBeDefined();

    truncateSync(disk, 128 * 1024 ** 2);
    await session.ask("PATCH", "/drives/rootfs", { drive_id: "rootfs", path_on_host: disk });
    await waitFor(() => session.output.includes("new size: 262144 512-byte logical blocks"));

    await session.ask("PUT", "/actions", { action_type: "FlushMetrics" });
    const lines = readFileSync(join(session.folder, "metrics"), "utf8").trim().split("\n");
    expect(lines).toHaveLength(2);
    expect(JSON.parse(lines[1] ?? "").block_rootfs.read_bytes).toBeGreaterThan(0);

    await session.ask("PUT", "/actions", { action_type: "SendCtrlAltDel" });
    expect(await session.ended).toBe(0);
  },
  100_000,
);

test.skipIf(skip)(
  "QEMU and the vsock device go with the double, also when it is killed",
  async () => {
    await using session = await FirecrackerSession.start(double.firecracker);
    await Bun.write(join(session.folder, "kernel"), tinyKernel("hello from nowhere"));
    await session.ask("PUT", "/boot-source", { kernel_image_path: "kernel", boot_args: "" });
    await session.ask("PUT", "/vsock", { guest_cid: 3, uds_path: "v.sock" });
    await session.ask("PUT", "/actions", { action_type: "InstanceStart" });
    await waitFor(() => session.output.includes("hello from nowhere"));
    const children = childrenOf(session.child.pid);
    expect(children.map((pid) => programOf(pid)).sort()).toEqual(["qemu-system-x86", "vhost-device-vs"]);
    session.child.kill("SIGKILL");
    await waitFor(() => children.every((pid) => programOf(pid) === ""));
  },
  30_000,
);

async function waitFor(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (condition()) return;
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
