import { dirname, join } from "node:path";
import { readTool } from "../host/run-sync.ts";
import type { Drivers } from "./drivers.ts";
import type { Environment, PlatformFacts } from "./platform.ts";

export const platformName: PlatformFacts["platformName"] = "darwin";

/** Asking for each of many VMs would take long: from the second process on, all are asked for at once, for a moment. */
const listLifeMs = 50;
let lastPid: number | undefined;
let list: { readonly takenMs: number; readonly startTimes: ReadonlyMap<number, string> } | undefined;

/** The start time as `ps` prints it, to the second; "Z" in the state is a process that has ended. */
export const processStartTime: PlatformFacts["processStartTime"] = (pid: number): string | undefined => {
  if (list !== undefined && performance.now() - list.takenMs > listLifeMs) list = undefined;
  const isFirst = lastPid === undefined || lastPid === pid;
  lastPid = pid;
  if (isFirst && list === undefined) return startTimes(["-p", String(pid)]).get(pid);
  list ??= { startTimes: startTimes(["-ax"]), takenMs: performance.now() };
  // One that is not among them may have begun since.
  return list.startTimes.get(pid) ?? startTimes(["-p", String(pid)]).get(pid);
};

/** Of those that have not ended, by pid. */
function startTimes(which: readonly string[]): ReadonlyMap<number, string> {
  const lines = readTool("/bin/ps", [...which, "-o", "pid=,state=,lstart="]).split("\n");
  return new Map(
    lines.flatMap((line) => {
      const [pid, state = "Z", ...start] = line.trim().split(/\s+/);
      return state.startsWith("Z") ? [] : [[Number(pid), start.join(" ")]];
    }),
  );
}

let boot: string | undefined;

export const bootId: PlatformFacts["bootId"] = (): string => {
  boot ??= readTool("/usr/sbin/sysctl", ["-n", "kern.bootsessionuuid"]).trim();
  return boot;
};

export const findProcesses: PlatformFacts["findProcesses"] = (needle: string): number[] =>
  readTool("/bin/ps", ["-axo", "pid=,command="])
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter((words) => words.slice(1).includes(needle))
    .map((words) => Number(words[0]));

export const processUsage: PlatformFacts["processUsage"] = (pid) => {
  const [time, residentKib] = readTool("/bin/ps", ["-o", "time=,rss=", "-p", String(pid)])
    .trim()
    .split(/\s+/);
  if (time === undefined || residentKib === undefined) return undefined;
  // [[hours:]minutes:]seconds.hundredths
  const cpuSeconds = time.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
  return { cpuSeconds, residentBytes: Number(residentKib) * 1024 };
};

export const defaultStateDir: PlatformFacts["defaultStateDir"] = (environment: Environment): string =>
  join(environment["HOME"] ?? "/", "Library/Application Support/ember");

// TMPDIR is private here but 50 bytes long; with ours and the socket's name behind it, that is near the limit of 104.
export const runtimeBase: PlatformFacts["runtimeBase"] = (): string =>
  `/tmp/ember-${process.getuid?.() ?? 0}`;

/** Beside ember lies ember-vz. Then Homebrew's folders on both architectures; its keg-only formulae are not linked there. */
export const extraToolFolders: PlatformFacts["extraToolFolders"] = [
  dirname(process.execPath),
  "/opt/homebrew/bin",
  "/opt/homebrew/sbin",
  "/opt/homebrew/opt/e2fsprogs/sbin",
  "/usr/local/bin",
  "/usr/local/sbin",
  "/usr/local/opt/e2fsprogs/sbin",
  "/usr/bin",
  "/usr/sbin",
  "/bin",
  "/sbin",
];

const formulae: Readonly<Record<string, string>> = {
  "qemu-system-x86_64": "qemu",
  "qemu-system-aarch64": "qemu",
  "qemu-img": "qemu",
  skopeo: "skopeo",
  gpgv: "gnupg",
  xz: "xz",
  zstd: "zstd",
  // Neither runs on macOS by itself: podman brings a machine of its own.
  buildah: "podman",
  podman: "podman",
  docker: "docker",
};

export const installHint: PlatformFacts["installHint"] = (...tools: readonly string[]): string => {
  if (tools.includes("ember-vz"))
    return "it is a part of ember: install that again (brew reinstall ember), or put it beside ember or into PATH";
  const missing = tools.find((tool) => formulae[tool] === undefined);
  return missing === undefined
    ? `install it: brew install ${[...new Set(tools.map((tool) => formulae[tool]))].join(" ")}`
    : `'${missing}' is not available on macOS`;
};

export const buildsKernels: PlatformFacts["buildsKernels"] = false;

export const bootableBy: PlatformFacts["bootableBy"] = (methods) => [
  ...(methods.some((method) => method === "bzimage" || method === "image") ? ["vz"] : []),
  ...(methods.some((method) => method !== "elf") ? ["qemu"] : []),
];

export const firstImageCommand: PlatformFacts["firstImageCommand"] = "ember image pull debian";

// macOS 15 and newer ask the user before a program may reach the local network, and say EHOSTUNREACH until then.
export const unreachableHint: PlatformFacts["unreachableHint"] =
  "where it is on the local network, macOS may keep this program from it: allow the terminal or editor it runs in under System Settings > Privacy & Security > Local Network";

export const hypervisorDrivers: Drivers["hypervisorDrivers"] = {
  vz: async () => (await import("../hypervisor/vz/driver.ts")).createVz(),
  qemu: async () => (await import("../hypervisor/qemu/driver.ts")).createQemu(),
};

export const storageDrivers: Drivers["storageDrivers"] = {
  reflink: async (config, context) =>
    (await import("../storage/reflink/apfs.ts")).createApfs(config, context),
  qcow2: async (config) => (await import("../storage/qcow2/driver.ts")).createQcow2(config),
};

export const storageChoices: Drivers["storageChoices"] = {
  auto: async (wish) => (await import("../storage/reflink/apfs-choice.ts")).chooseApfs(wish),
  reflink: async (wish) => (await import("../storage/reflink/apfs-choice.ts")).chooseApfs(wish),
  qcow2: async (wish) => (await import("../storage/qcow2/choice.ts")).chooseQcow2(wish),
};

export const findContainment: Drivers["findContainment"] = async () => undefined;

export const networkDrivers: Drivers["networkDrivers"] = {
  vmnet: async (context) => (await import("../network/vmnet/driver.ts")).createVmnet(context),
  user: async (context) => (await import("../network/user/driver.ts")).createUserNetwork(context),
};
