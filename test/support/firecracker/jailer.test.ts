import { afterEach, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { skipUnless } from "../require.ts";
import { tinyKernel } from "../tiny-kernel.ts";
import { firecrackerDouble, orderFaults } from "./double.ts";
import { TestNamespace } from "./namespace.ts";
import { accepts } from "./session.ts";

const double = firecrackerDouble();
const real = process.env["FC_REAL"] ?? Bun.which("firecracker") ?? "";
const realJailer = join(real, "..", "jailer");
const root = process.getuid?.() === 0;
const skip = skipUnless("firecracker-double", double.available && root, double.reason ?? "this needs root");
const noReal = skipUnless("firecracker", existsSync(realJailer), "there is no real jailer beside FC_REAL");

const owner = { uid: 12_345, gid: 12_346 };
const folders: string[] = [];
const pids: number[] = [];

afterEach(async () => {
  for (const pid of pids.splice(0)) killIfThere(pid);
  await waitFor(() => processesOf(owner.uid).length === 0);
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has ended
  }
}

function newBase(): string {
  const folder = mkdtempSync(join(tmpdir(), "fc-jail-"));
  folders.push(folder);
  return folder;
}

interface Programs {
  readonly jailer: string;
  readonly firecracker: string;
}

function argumentsFor({ firecracker }: Programs, base: string, id: string): string[] {
  const who = ["--uid", `${owner.uid}`, "--gid", `${owner.gid}`];
  return ["--id", id, "--exec-file", firecracker, ...who, "--chroot-base-dir", base];
}

/** What a refused call says, and its status; the base folder's name replaced. */
function refused({ jailer }: Programs, base: string, args: readonly string[]): string {
  const { status, stderr, stdout } = spawnSync(jailer, [...args], { encoding: "utf8", timeout: 20_000 });
  return `${status}\n${stdout}${stderr}`.replaceAll(base, "{base}");
}

/** Call after call that the jailer refuses. */
function refusals(programs: Programs): string[] {
  const base = newBase();
  const good = argumentsFor(programs, base, "good");
  const without = (name: string): string[] =>
    good.filter((_, index) => good[index] !== name && good[index - 1] !== name);
  writeFileSync(join(base, "file"), "");
  return [
    [],
    ["--id"],
    ["--nonsense"],
    ["nonsense"],
    [...good, "--id", "twice"],
    ["--version"],
    ...["--id", "--exec-file", "--uid", "--gid"].map(without),
    [...without("--id"), "--id", "a_b"],
    [...without("--id"), "--id", "x".repeat(65)],
    [...without("--exec-file"), "--exec-file", "/none"],
    [...without("--exec-file"), "--exec-file", base],
    [...without("--uid"), "--uid", "-1"],
    [...without("--gid"), "--gid", "4294967296"],
    [...without("--chroot-base-dir"), "--chroot-base-dir", join(base, "none")],
    [...without("--chroot-base-dir"), "--chroot-base-dir", join(base, "file")],
    [...good, "--resource-limit", "foo"],
    [...good, "--resource-limit", "foo=1"],
    [...good, "--resource-limit", "fsize=x"],
    [...good, "--parent-cgroup", "/a"],
    [...good, "--parent-cgroup", "a/../b"],
    [...good, "--cgroup-version", "two"],
    [...good, "--cgroup", "cpu.shares"],
    [...good, "--cgroup", "cpu.shares="],
    [...good, "--cgroup-version", "2", "--cgroup", "nonsense.max=1"],
    [...good, "--netns", "/none"],
  ].map((args) => refused(programs, base, args));
}

test.skipIf(skip || noReal)(
  "the double of the jailer refuses what the real one refuses, in the same words",
  () => {
    expect(refusals(double)).toEqual(refusals({ jailer: realJailer, firecracker: real }));
  },
  60_000,
);

/** Each file of a jail: its kind, mode, owner and device number. */
function listing(folder: string): Record<string, unknown> {
  const names = ["", ...readdirSync(folder, { recursive: true, encoding: "utf8" })].sort();
  return Object.fromEntries(
    names.map((name) => {
      const { mode, uid, gid, rdev } = lstatSync(join(folder, name));
      return [name, { mode: mode.toString(8), uid, gid, rdev }];
    }),
  );
}

async function startJailed(
  programs: Programs,
  options: readonly string[] = [],
): Promise<{ jail: string; pid: number; starter: number; waited: boolean }> {
  const base = newBase();
  const args = [...argumentsFor(programs, base, "one"), ...options, "--", "--api-sock", "/run/api.sock"];
  const jail = join(base, "firecracker", "one", "root");
  const child = Bun.spawn([programs.jailer, ...args], { stdout: "ignore", stderr: "inherit", env: {} });
  pids.push(child.pid);
  await waitFor(async () => pidIn(jail) > 0 && (await accepts(join(jail, "run/api.sock"))));
  pids.push(pidIn(jail));
  return { jail, pid: pidIn(jail), starter: child.pid, waited: child.exitCode === 0 };
}

function pidIn(jail: string): number {
  const file = join(jail, "firecracker.pid");
  return existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
}

async function waitFor(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (await condition()) return;
    await Bun.sleep(25);
  }
  throw new Error("it did not come to pass");
}

/** What the kernel says of a jailed process. */
function facts(pid: number): Record<string, unknown> {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const line = (name: string): string => new RegExp(`^${name}:[ \\t]*(.*)$`, "m").exec(status)?.[1] ?? "";
  const limits = readFileSync(`/proc/${pid}/limits`, "utf8");
  return {
    ...{ name: line("Name"), uid: line("Uid"), gid: line("Gid"), groups: line("Groups") },
    capabilities: line("CapEff"),
    innerPids: line("NSpid").split(/\s+/).slice(1),
    openFiles: /^Max open files\s+(\d+)/m.exec(limits)?.[1],
    fileSize: /^Max file size\s+(\S+)/m.exec(limits)?.[1],
    cgroup: /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1],
    network: inNamespace(pid, "net"),
    ownMounts: inNamespace(pid, "mnt") !== inNamespace(process.pid, "mnt"),
    ownPids: inNamespace(pid, "pid") !== inNamespace(process.pid, "pid"),
  };
}

const inNamespace = (pid: number, kind: string): number =>
  Number(spawnSync("stat", ["-L", "-c", "%i", `/proc/${pid}/ns/${kind}`], { encoding: "utf8" }).stdout);

for (const [what, options] of [
  ["as itself", ["--resource-limit", "no-file=1000", "--resource-limit", "fsize=1000000000"]],
  ["in new process ids", ["--new-pid-ns"]],
  ["as a daemon", ["--daemonize"]],
  ["as a daemon in new process ids", ["--daemonize", "--new-pid-ns"]],
] as const) {
  test.skipIf(skip || noReal)(
    `the double of the jailer starts Firecracker as the real one does: ${what}`,
    async () => {
      const found = await startJailed(double, options);
      const wanted = await startJailed({ jailer: realJailer, firecracker: real }, options);
      expect(listing(found.jail)).toEqual(listing(wanted.jail));
      expect(facts(found.pid)).toEqual(facts(wanted.pid));
      expect(found.pid === found.starter).toBe(wanted.pid === wanted.starter);
    },
    60_000,
  );
}

/** Where version 2 of cgroups is, also beside version 1. */
const cgroups = /^\S+ (\S+) cgroup2 /m.exec(readFileSync("/proc/mounts", "utf8"))?.[1];
const noCgroups = skipUnless("cgroup2", cgroups !== undefined, "there is no cgroup2");

test.skipIf(skip || noReal || noCgroups)(
  "the double of the jailer joins network namespace and parent cgroup as the real one does",
  async () => {
    using namespace = new TestNamespace("jail");
    const parent = `fc-double-${process.pid}`;
    const folder = join(cgroups ?? "", parent);
    mkdirSync(folder);
    try {
      const options = [
        "--netns",
        `/run/netns/${namespace.name}`,
        "--cgroup-version",
        "2",
        "--parent-cgroup",
        parent,
      ];
      const found = await startJailed(double, options);
      const wanted = await startJailed({ jailer: realJailer, firecracker: real }, options);
      for (const { jail } of [found, wanted]) {
        namespace.ip("tuntap", "add", "vm0", "mode", "tap", "user", `${owner.uid}`);
        const nic = { iface_id: "eth0", host_dev_name: "vm0" };
        expect(await send(jail, "PUT", "/network-interfaces/eth0", nic)).toBe("204 ");
        const other = await send(jail, "PUT", "/network-interfaces/eth1", {
          iface_id: "eth1",
          host_dev_name: "vm1",
        });
        expect(other).toContain("Operation not permitted (os error 1)");
        namespace.ip("link", "del", "vm0");
      }
      expect(facts(found.pid)).toEqual(facts(wanted.pid));
      expect(facts(found.pid)["cgroup"]).toEndWith(parent);
      expect(facts(found.pid)["network"]).not.toBe(inNamespace(process.pid, "net"));
    } finally {
      for (const pid of pids.splice(0)) killIfThere(pid);
      await waitFor(() => isRemoved(folder));
    }
  },
  60_000,
);

/** A cgroup cannot be removed while a process in it ends. */
function isRemoved(cgroup: string): boolean {
  try {
    rmdirSync(cgroup);
    return true;
  } catch {
    return false;
  }
}

function send(jail: string, method: string, path: string, body?: unknown): Promise<string> {
  const text = body === undefined ? "" : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const headers = { "Content-Length": Buffer.byteLength(text) };
    const options = { socketPath: join(jail, "run/api.sock"), method, path, headers, agent: false };
    const sent = request(options, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("end", () => resolve(`${answer.statusCode} ${Buffer.concat(chunks)}`));
    });
    sent.on("error", reject);
    sent.end(text);
  });
}

test.skipIf(skip)(
  "a jailed guest runs from files of its jail, and no other file can be reached",
  async () => {
    const { jail, pid } = await startJailed(double);
    writeFileSync(join(jail, "kernel"), tinyKernel("hello from the jail"));
    for (const path of [
      "/bin/sh",
      "/usr/bin/env",
      "/../../etc/passwd",
      "/double/main.ts",
      "/firecracker.pid/x",
    ]) {
      const answer = await send(jail, "PUT", "/boot-source", { kernel_image_path: path });
      expect(answer).toContain("The kernel file cannot be opened");
    }
    expect(await send(jail, "PUT", "/boot-source", { kernel_image_path: "kernel" })).toBe("204 ");
    expect(await send(jail, "PUT", "/serial", { serial_out_path: "/console" })).toBe("204 ");
    expect(await send(jail, "PUT", "/vsock", { guest_cid: 3, uds_path: "/v.sock" })).toBe("204 ");
    expect(await send(jail, "PUT", "/actions", { action_type: "InstanceStart" })).toBe("204 ");
    await waitFor(() => readFileSync(join(jail, "console"), "utf8").includes("hello from the jail"));
    expect(lstatSync(join(jail, "v.sock")).uid).toBe(owner.uid);
    const inside = processesOf(owner.uid);
    expect(inside).toContain(`${pid}`);
    expect(inside).toHaveLength(3);
    process.kill(pid, "SIGKILL");
    await waitFor(() => processesOf(owner.uid).length === 0);
  },
  60_000,
);

function processesOf(uid: number): string[] {
  return spawnSync("ps", ["-o", "pid=", "-U", `${uid}`], { encoding: "utf8" })
    .stdout.split(/\s+/)
    .filter(Boolean);
}

test.skipIf(skip)(
  "faults reach a double in its jail, also while it runs",
  async () => {
    const folder = join(newBase(), "programs");
    const programs = firecrackerDouble(folder, { version: "1.14.0" });
    const { jail, pid } = await startJailed(programs);
    expect(await send(jail, "GET", "/version")).toBe('200 {"firecracker_version":"1.14.0"}');
    orderFaults(folder, { fault: "GET /version: die" });
    await expect(send(jail, "GET", "/version")).rejects.toThrow();
    await waitFor(
      () => !existsSync(`/proc/${pid}`) || readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z "),
    );
  },
  60_000,
);
