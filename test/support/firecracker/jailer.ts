// The double of Firecracker's jailer, up to the last step, which it prints as a line of shell; see README.md.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  fchownSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { ArgumentError } from "./command-line.ts";
import { applyLimits, cgroupsOf, joinParent } from "./jailer-cgroups.ts";
import { attempt, JailerError } from "./jailer-error.ts";
import { checkSettings, type JailerSettings, readJailerArguments } from "./jailer-settings.ts";
import { findVsockProgram } from "./programs.ts";

/** The process that becomes Firecracker. */
const pid = Number(process.env["FC_DOUBLE_JAILER_PID"]);
const startedUs = Math.round(performance.timeOrigin * 1000);

function main(): string {
  const args = readJailerArguments(process.argv.slice(2));
  if (args.flags.size === 1 && (args.flags.has("version") || args.flags.has("help"))) {
    return "printf 'Jailer v1.15.1\\n\\n'; exit 0";
  }
  const settings = checkSettings(args);
  joinParent(settings, pid);
  const cgroups = cgroupsOf(settings);
  attempt(
    () => mkdirSync(settings.chroot, { recursive: true }),
    "CreateDir",
    settings.chroot,
    (why) => `Failed to create directory ${settings.chroot}: ${why}`,
  );
  copyExecFile(settings);
  const { netns } = settings;
  if (netns !== undefined) {
    attempt(
      () => closeSync(openSync(netns, "r")),
      "FileOpen",
      netns,
      (why) => `Failed to open file ${netns}: ${why}`,
    );
  }
  applyLimits(settings, cgroups, pid);
  makeFolders(settings);
  makeDevices(settings);
  return lastStep(settings);
}

function copyExecFile({ execFile, execName, chroot, uid, gid }: JailerSettings): void {
  const content = readFileSync(execFile);
  if (!content.includes("support/firecracker") && !content.includes("The double of Firecracker")) {
    throw new JailerError("the double of the jailer runs the double of Firecracker only", "NotTheDouble");
  }
  const target = join(chroot, execName);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW;
  const file = attempt(
    () => openSync(target, flags, 0o755),
    "Open",
    target,
    (why) => `Failed to open ${target}: ${why}`,
  );
  try {
    if (fstatSync(file).nlink > 1) {
      throw new JailerError(`Detected hard link at: ${target}`, `HardLink(${JSON.stringify(target)})`);
    }
    fchownSync(file, uid, gid);
    writeSync(file, content);
  } finally {
    closeSync(file);
  }
}

function makeFolders({ chroot, uid, gid }: JailerSettings): void {
  for (const folder of ["", "dev", "dev/net", "run"]) {
    const path = join(chroot, folder);
    mkdirSync(path, { recursive: true });
    chmodSync(path, 0o700);
    chownSync(path, uid, gid);
  }
}

function makeDevices(settings: JailerSettings): void {
  makeDevice(settings, "/dev/net/tun", 10, 200);
  makeDevice(settings, "/dev/kvm", 10, 232);
  makeDevice(settings, "/dev/urandom", 1, 9);
  const minor = /^(\d+) userfaultfd$/m.exec(readFileSync("/proc/misc", "utf8"))?.[1];
  if (minor !== undefined) makeDevice(settings, "/dev/userfaultfd", 10, Number(minor));
}

function makeDevice({ chroot, uid, gid }: JailerSettings, path: string, major: number, minor: number): void {
  const target = join(chroot, path);
  const made = spawnSync("mknod", ["-m", "600", target, "c", `${major}`, `${minor}`], { encoding: "utf8" });
  if (made.status !== 0) {
    const exists = existsSync(target);
    const words = exists ? "File exists (os error 17)" : "Operation not permitted (os error 1)";
    const kind = exists
      ? 'Os { code: 17, kind: AlreadyExists, message: "File exists" }'
      : 'Os { code: 1, kind: PermissionDenied, message: "Operation not permitted" }';
    throw new JailerError(
      `Failed to create ${path} via mknod inside the jail: ${words}`,
      `MknodDev(${kind}, ${JSON.stringify(path)})`,
    );
  }
  chownSync(target, uid, gid);
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** Starts the rest of its arguments, the first of them the file that gets the number of the new process. */
const inBackground =
  'set -C; file=$1; shift; exec 3<&0; "$@" <&3 3<&- & printf %s "$!" >"$file" || kill -9 "$!"; exit 0';

function lastStep(settings: JailerSettings): string {
  const { chroot, uid, gid, execName, execFile, netns, fileSize, openFiles } = settings;
  const here = import.meta.dir;
  const config = join(dirname(execFile), "double.json");
  const enter = [
    ...["unshare", "--mount", "--propagation", "slave", join(here, "enter-jail")],
    ...[chroot, `${uid}`, `${gid}`, process.execPath, here, findVsockProgram() ?? ""],
    ...[existsSync(config) ? config : "", "--id", settings.id],
    ...["--start-time-us", `${startedUs}`, "--start-time-cpu-us", "0", "--parent-cpu-time-us", "0"],
    ...settings.extra,
  ];
  const pidFile = join(chroot, `${execName}.pid`);
  if (existsSync(pidFile)) {
    const inside = `/${execName}.pid`;
    throw new JailerError(
      `Failed to open file ${inside}: File exists (os error 17)`,
      `FileOpen(${JSON.stringify(inside)}, Os { code: 17, kind: AlreadyExists, message: "File exists" })`,
    );
  }
  const { daemonize, newPidNamespace } = settings;
  const limits = [
    "prlimit",
    `--nofile=${openFiles}`,
    ...(fileSize === undefined ? [] : [`--fsize=${fileSize}`]),
  ];
  const network = netns === undefined ? [] : ["nsenter", `--net=${netns}`];
  const first = [...network, ...limits, ...(newPidNamespace ? ["unshare", "--pid"] : [])];
  if (!daemonize && !newPidNamespace) {
    writeFileSync(pidFile, `${pid}`, { flag: "wx" });
    return `exec ${[...first, ...enter].map(quote).join(" ")}`;
  }
  const session = newPidNamespace && !daemonize && isSessionLeader() ? ["setsid"] : [];
  const background = [...first, "sh", "-c", inBackground, "sh", pidFile, ...session, ...enter];
  if (!daemonize) return `exec ${background.map(quote).join(" ")}`;
  const quiet = "</dev/null >/dev/null 2>&1";
  return `exec ${["setsid", "--fork", ...background].map(quote).join(" ")} ${quiet}`;
}

function isSessionLeader(): boolean {
  return Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ")[3]) === pid;
}

try {
  process.stdout.write(main());
} catch (error) {
  if (error instanceof ArgumentError) {
    process.stderr.write(
      `Failed to parse arguments: ${error.message}\nError: ArgumentParsing(${error.rust})\n`,
    );
  } else if (error instanceof JailerError) {
    process.stderr.write(`${error.message}\nError: ${error.rust}\n`);
  } else throw error;
  process.exit(1);
}
