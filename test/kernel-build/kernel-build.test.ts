// Not part of `make test`: compiles a real kernel, which takes minutes, and boots it. `make test-kernel-build`.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { TestInstallation } from "../support/ember.ts";
import { writeBusyboxTar } from "../support/rootfs.ts";

const ember = new TestInstallation();
const work = mkdtempSync(join(tmpdir(), "ember-kernel-"));

/** The host's own programs with the libraries that they load. */
function addPrograms(tree: string): void {
  const programs = ["nft", "xtables-nft-multi"].map((name) => `/usr/sbin/${name}`);
  const plugins = `/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu/xtables`;
  const files = [
    ...programs,
    ...["standard", "MASQUERADE", "conntrack", "comment", "addrtype"].flatMap((name) =>
      pluginsOf(plugins, name),
    ),
  ];
  const libraries = files.flatMap((file) => {
    const printed = spawnSync("ldd", [file]).stdout.toString();
    return [...printed.matchAll(/(?:=> |^\s+)(\/[^ ]+)/gm)].map(([, path = ""]) => path);
  });
  for (const file of new Set([...files, ...libraries])) {
    mkdirSync(dirname(join(tree, file)), { recursive: true });
    cpSync(file, join(tree, file), { dereference: true });
  }
}

const pluginsOf = (folder: string, name: string): string[] =>
  readdirSync(folder)
    .filter((file) => new RegExp(`^lib(xt|ipt|ip6t)_${name}\\.so$`).test(file))
    .map((file) => join(folder, file));

const inGuest = (script: string): Promise<string> => ember.ok(["exec", "web", "--", "sh", "-ec", script]);

beforeAll(async () => {
  await ember.ok(["init"]);
  writeBusyboxTar(join(work, "rootfs.tar"), addPrograms);
  await ember.ok(["image", "import", join(work, "rootfs.tar"), "--name", "tools"]);
}, 120_000);

afterAll(async () => {
  await ember[Symbol.asyncDispose]();
  rmSync(work, { recursive: true, force: true });
});

const hours = 3600_000;

test(
  "a kernel of the distribution's source is built and taken in",
  async () => {
    const jobs = process.env["EMBER_JOBS"];
    const args = ["kernel", "build", "-y", "--name", "built", ...(jobs === undefined ? [] : ["-j", jobs])];
    console.log(await ember.ok(args, { timeoutMs: 6 * hours }));
    expect(readdirSync(join(ember.stateDir, "kernels"))).toEqual(["built"]);
    const [kernel] = JSON.parse(await ember.ok(["kernel", "list", "--format", "json"]));
    expect(kernel).toMatchObject({ name: "built", hypervisors: ["qemu", "firecracker"] });
  },
  6 * hours,
);

test("a guest boots it, and runs commands", async () => {
  await ember.ok(["vm", "create", "web", "--image", "tools", "--kernel", "built", "--memory", "512M"]);
  const [kernel] = JSON.parse(await ember.ok(["kernel", "list", "--format", "json"]));
  expect(await inGuest("uname -r")).toBe(kernel.version);
  expect(await inGuest("ls /sys/class/net")).toContain("eth0");
});

test("a container's file system can be mounted there", async () => {
  const script = `mkdir -p /run/o/low /run/o/up /run/o/work /run/o/all; echo below > /run/o/low/file
    mount -t overlay overlay -o lowerdir=/run/o/low,upperdir=/run/o/up,workdir=/run/o/work /run/o/all
    echo above > /run/o/all/other; cat /run/o/all/file /run/o/up/other`;
  expect(await inGuest(script)).toBe("below\nabove");
});

test("a container's network can be made there", async () => {
  const bridge = `ip link add br0 type bridge; ip link add v0 type veth peer name v1; ip link set v0 master br0
    ip link set br0 up; ip addr add 10.9.0.1/24 dev br0; ls /sys/class/net/br0/brif; busybox tunctl -t tap9 2>&1`;
  expect(await inGuest(bridge)).toMatch(/^v0\n.*tap9/);
  const rules = `table inet t { chain c { type filter hook input priority 0; ct state established accept; tcp dport 22 counter limit rate 5/second accept; }
    chain n { type nat hook postrouting priority 100; oifname "eth0" masquerade; }
    }`;
  expect(await inGuest(`nft -f - <<'END'\n${rules}\nEND\nnft list ruleset`)).toContain("masquerade");
  const iptables = "/usr/sbin/xtables-nft-multi iptables";
  const compat = `${iptables} -t nat -A POSTROUTING -s 10.9.0.0/24 ! -o br0 -j MASQUERADE
    ${iptables} -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; ${iptables} -S; ${iptables} -t nat -S`;
  const listed = await inGuest(compat);
  expect(listed).toContain("--ctstate RELATED,ESTABLISHED -j ACCEPT");
  expect(listed).toContain("-j MASQUERADE");
});

test("containers can be limited and kept apart there", async () => {
  const controllers = `mkdir -p /run/cg; mount -t cgroup2 none /run/cg; cat /run/cg/cgroup.controllers`;
  expect((await inGuest(controllers)).split(" ")).toEqual(
    expect.arrayContaining(["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc"]),
  );
  const limit = `echo +memory +pids > /run/cg/cgroup.subtree_control; mkdir -p /run/cg/one; echo 10M > /run/cg/one/memory.max; cat /run/cg/one/memory.max`;
  expect(await inGuest(limit)).toBe(String(10 * 1024 ** 2));
  expect(await inGuest("busybox unshare -U -r -p -f -m -n -i -u id -u")).toBe("0");
  expect(await inGuest("grep -c Seccomp: /proc/self/status")).toBe("1");
});
