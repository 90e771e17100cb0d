import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Drivers } from "./drivers.ts";
import type { Environment, PlatformFacts, ProcessUsage } from "./platform.ts";

export const platformName: PlatformFacts["platformName"] = "linux";

/**
 * Field 22 of /proc/PID/stat, in clock ticks since boot (proc(5)); field 3 "Z" is a process that has ended. Not
 * quite yet while other threads of it are left (field 20): they still hold its files, and the locks on them.
 */
export const processStartTime: PlatformFacts["processStartTime"] = (pid: number): string | undefined => {
  const fields = processFields(pid);
  const dead = fields?.[0] === "X" || (fields?.[0] === "Z" && Number(fields[17]) <= 1);
  return dead ? undefined : fields?.[19];
};

/** /proc/PID/stat from field 3 on. The name (field 2) is in parentheses and may hold anything, those included. */
function processFields(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined; // no such process
  }
}

/** The unit of processor times in /proc is fixed at a hundredth of a second. */
const ticksPerSecond = 100;

export const processUsage: PlatformFacts["processUsage"] = (pid: number): ProcessUsage | undefined => {
  const fields = processFields(pid);
  if (fields === undefined) return undefined;
  try {
    const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    const ticks = Number(fields[11]) + Number(fields[12]);
    return { cpuSeconds: ticks / ticksPerSecond, residentBytes: Number(resident?.[1] ?? 0) * 1024 };
  } catch {
    return undefined; // it ended while we looked
  }
};

let boot: string | undefined;

export const bootId: PlatformFacts["bootId"] = (): string => {
  boot ??= readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return boot;
};

export const findProcesses: PlatformFacts["findProcesses"] = (needle: string): number[] =>
  readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(needle);
      } catch {
        return false; // it ended while we looked
      }
    })
    .map(Number)
    .filter((pid) => processStartTime(pid) !== undefined);

export const defaultStateDir: PlatformFacts["defaultStateDir"] = (environment: Environment): string => {
  if (process.getuid?.() === 0) return "/var/lib/ember";
  const data = environment["XDG_DATA_HOME"];
  return join(data?.startsWith("/") ? data : join(environment["HOME"] ?? "/", ".local/share"), "ember");
};

export const runtimeBase: PlatformFacts["runtimeBase"] = (environment: Environment): string => {
  if (process.getuid?.() === 0) return "/run/ember";
  const runtime = environment["XDG_RUNTIME_DIR"];
  return runtime !== undefined && /^\/.{1,40}$/.test(runtime)
    ? join(runtime, "ember")
    : `/tmp/ember-${process.getuid?.() ?? 0}`;
};

export const extraToolFolders: PlatformFacts["extraToolFolders"] = [
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
];

/** The compilers for another architecture, whose programs have names with another dash. */
function crossPackages(cpu: string): Record<string, string> {
  const prefix = `${cpu.replace("-", "_")}-linux-gnu`;
  const compiler = `gcc-${cpu}-linux-gnu`;
  const binutils = `binutils-${cpu}-linux-gnu`;
  return { [`${prefix}-gcc`]: compiler, [`${prefix}-ld`]: binutils, [`${prefix}-strip`]: binutils };
}

/** Debian's package for each program that ember may run. */
const packages: Readonly<Record<string, string>> = {
  "qemu-system-x86_64": "qemu-system-x86",
  "qemu-system-aarch64": "qemu-system-arm",
  "qemu-img": "qemu-utils",
  skopeo: "skopeo",
  "mkfs.xfs": "xfsprogs",
  xfs_growfs: "xfsprogs",
  "mkfs.btrfs": "btrfs-progs",
  btrfs: "btrfs-progs",
  filefrag: "e2fsprogs",
  mmdebstrap: "mmdebstrap",
  buildah: "buildah",
  podman: "podman",
  docker: "docker.io",
  gpgv: "gpgv",
  xz: "xz-utils",
  zstd: "zstd",
  ...{ make: "make", gcc: "gcc", ld: "binutils", strip: "binutils", flex: "flex", bison: "bison", bc: "bc" },
  ...{ perl: "perl", tar: "tar", gzip: "gzip", sh: "dash", "stdlib.h": "libc6-dev", "gelf.h": "libelf-dev" },
  ...crossPackages("aarch64"),
  ...crossPackages("x86-64"),
  ssh: "openssh-client",
  losetup: "mount",
  mount: "mount",
  umount: "mount",
  zfs: "zfsutils-linux",
  zpool: "zfsutils-linux",
  dmsetup: "dmsetup",
  thin_check: "thin-provisioning-tools",
  thin_ls: "thin-provisioning-tools",
  thin_dump: "thin-provisioning-tools",
  vdoformat: "vdo",
  ip: "iproute2",
  nft: "nftables",
  iptables: "iptables",
  flock: "util-linux",
  blkdiscard: "util-linux",
  blockdev: "util-linux",
  fstrim: "util-linux",
  wipefs: "util-linux",
};

export const installHint: PlatformFacts["installHint"] = (...tools: readonly string[]): string => {
  const known = new Set(tools.flatMap((tool) => packages[tool] ?? []));
  const others = tools.filter((tool) => packages[tool] === undefined).map((tool) => `'${tool}'`);
  const install = known.size === 0 ? [] : [`install it: apt-get install ${[...known].join(" ")}`];
  const find = others.length === 0 ? [] : [`install ${others.join(", ")} and see that it is in PATH`];
  return [...install, ...find].join("; ");
};

export const buildsKernels: PlatformFacts["buildsKernels"] = true;

export const bootableBy: PlatformFacts["bootableBy"] = (methods) => [
  ...(methods.some((method) => method !== "elf") ? ["qemu"] : []),
  ...(methods.some((method) => method === "elf" || method === "image") ? ["firecracker"] : []),
];

export const firstImageCommand: PlatformFacts["firstImageCommand"] = "ember image bootstrap debian";

export const unreachableHint: PlatformFacts["unreachableHint"] = undefined;

export const hypervisorDrivers: Drivers["hypervisorDrivers"] = {
  firecracker: async (context) =>
    (await import("../hypervisor/firecracker/driver.ts")).createFirecracker(context),
  qemu: async () => (await import("../hypervisor/qemu/driver.ts")).createQemu(),
};

export const storageDrivers: Drivers["storageDrivers"] = {
  reflink: async (config, context) =>
    (await import("../storage/reflink/driver.ts")).createReflink(config, context),
  qcow2: async (config) => (await import("../storage/qcow2/driver.ts")).createQcow2(config),
  zfs: async (config, context) => (await import("../storage/zfs/driver.ts")).createZfs(config, context),
  "dm-thin": async (config, context) =>
    (await import("../storage/dm-thin/driver.ts")).createDmThin(config, context),
};

export const storageChoices: Drivers["storageChoices"] = {
  auto: async (wish) => (await import("../storage/select.ts")).chooseAuto(wish),
  reflink: async (wish) => (await import("../storage/select.ts")).chooseReflink(wish),
  qcow2: async (wish) => (await import("../storage/qcow2/choice.ts")).chooseQcow2(wish),
  zfs: async (wish) => (await import("../storage/zfs/choice.ts")).chooseZfs(wish),
  "dm-thin": async (wish) => (await import("../storage/dm-thin/choice.ts")).chooseDmThin(wish),
};

export const findContainment: Drivers["findContainment"] = async (installationId, cpuWeight, notice) =>
  (await import("../host/cgroup/containment.ts")).findContainment(installationId, cpuWeight, { notice });

export const networkDrivers: Drivers["networkDrivers"] = {
  user: async (context) => (await import("../network/user/driver.ts")).createUserNetwork(context),
  tap: async (context) =>
    (await import("../network/tap/driver.ts")).createTapNetwork(context, async () =>
      (await import("../network/user/inspector.ts")).createInspector(context),
    ),
};
