import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EmberError } from "../errors/ember-error.ts";
import { run } from "./run.ts";

/** A device of the kernel's device-mapper, as sysfs shows it: reading it takes no privilege and starts no program. */
export interface DmDevice {
  readonly name: string;
  /** Such as "dm-3". */
  readonly kernelName: string;
  readonly suspended: boolean;
  readonly sectors: number;
  /** Kernel names of the devices below, such as "loop0". */
  readonly below: readonly string[];
}

/** What the kernel refuses a request with that a caller may be prepared for. */
export type DmRefusal = "exists" | "absent" | "busy";

/** dmsetup(8) prints the system error's text at the end of the line. */
const refusals: readonly (readonly [RegExp, DmRefusal])[] = [
  [/File exists/, "exists"],
  [/No such device or address|does not exist|No data available|not found/i, "absent"],
  [/Device or resource busy|in use/i, "busy"],
];

export function refusalOf(stderr: string): DmRefusal | undefined {
  return refusals.find(([form]) => form.test(stderr))?.[1];
}

/** Waiting for udev to make or remove nodes counts as well. */
const limitMs = 180_000;

/** Runs dmsetup. The result is what it printed, or why the kernel refused if that is one of `prepared`. */
async function dmsetup(
  args: readonly string[],
  prepared: readonly DmRefusal[] = [],
): Promise<{ readonly stdout: string; readonly refusal?: DmRefusal }> {
  const result = await run("dmsetup", args, { okStatuses: [0, 1], timeoutMs: limitMs });
  if (result.status === 0) return { stdout: result.stdout };
  const refusal = refusalOf(result.stderr);
  if (refusal !== undefined && prepared.includes(refusal)) return { stdout: "", refusal };
  throw new EmberError("tool-failed", `'dmsetup ${args.join(" ")}' failed: ${result.stderr.trim()}`);
}

export function mapperPath(name: string): string {
  return `/dev/mapper/${name}`;
}

/** The device of that name, undefined when there is none. */
export function findDevice(name: string): DmDevice | undefined {
  const number = statSync(mapperPath(name), { throwIfNoEntry: false })?.rdev;
  const found = number === undefined ? undefined : readDevice(`/sys/dev/block/${deviceNumber(number)}`);
  return found?.name === name ? found : listDevices(name).find((device) => device.name === name);
}

/** All devices whose name begins with `prefix`. */
export function listDevices(prefix: string): DmDevice[] {
  return readdirSync("/sys/block")
    .filter((name) => name.startsWith("dm-"))
    .map((name) => readDevice(`/sys/block/${name}`))
    .filter((device) => device !== undefined)
    .filter((device) => device.name.startsWith(prefix));
}

function readDevice(folder: string): DmDevice | undefined {
  try {
    return {
      name: readFileSync(`${folder}/dm/name`, "utf8").trim(),
      kernelName: basename(realpathSync(folder)),
      suspended: readFileSync(`${folder}/dm/suspended`, "utf8").trim() === "1",
      sectors: Number(readFileSync(`${folder}/size`, "utf8")),
      below: readdirSync(`${folder}/slaves`),
    };
  } catch {
    return undefined; // no device-mapper's, or gone while we looked
  }
}

/** "major:minor", as the kernel's tables name devices; makedev(3) as glibc does it. */
export function deviceNumber(rdev: number): string {
  const number = BigInt(rdev);
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & 0xfffff000n);
  const minor = (number & 0xffn) | ((number >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

/** Size of a block device in sectors of 512 bytes. */
export function deviceSectors(path: string): number {
  return Number(readFileSync(`/sys/dev/block/${deviceNumber(statSync(path).rdev)}/size`, "utf8"));
}

/** Names of the targets that the kernel has loaded, such as "thin-pool". */
export async function dmTargets(): Promise<readonly string[]> {
  const { stdout } = await dmsetup(["targets"]);
  return stdout
    .split("\n")
    .map((line) => line.split(/\s+/)[0] ?? "")
    .filter((name) => name !== "");
}

/** Post-condition: the device and its node under /dev/mapper are there. Fails when the name is taken. */
export async function createDevice(
  name: string,
  table: string,
  options: { readonly readOnly?: boolean } = {},
): Promise<void> {
  await dmsetup(["create", name, ...(options.readOnly === true ? ["--readonly"] : []), "--table", table]);
  for (let attempts = 0; statSync(mapperPath(name), { throwIfNoEntry: false }) === undefined; attempts += 1) {
    if (attempts === 100) throw new EmberError("io-failed", `'${mapperPath(name)}' does not appear`);
    if (attempts % 20 === 1) await dmsetup(["mknodes", name]); // no udev, or one that is late
    await sleep(50);
  }
}

/** Removes a device, trying for some seconds while something has it open. Idempotent. */
export async function removeDevice(name: string): Promise<"gone" | "busy"> {
  if (findDevice(name) === undefined) return "gone";
  const { refusal } = await dmsetup(["remove", "--retry", name], ["absent", "busy"]);
  return refusal === "busy" ? "busy" : "gone";
}

/** Puts another table in place of a device's in one step: the kernel holds the input and output meanwhile. */
export async function replaceTable(name: string, table: string): Promise<void> {
  await dmsetup(["reload", name, "--table", table]);
  await dmsetup(["resume", name]);
}

export async function suspendDevice(name: string): Promise<void> {
  await dmsetup(["suspend", name]);
}

export async function resumeDevice(name: string): Promise<void> {
  await dmsetup(["resume", name]);
}

/** How many have the device open. */
export async function openCount(name: string): Promise<number> {
  const { stdout, refusal } = await dmsetup(["info", "-c", "--noheadings", "-o", "open", name], ["absent"]);
  return refusal === undefined ? Number(stdout) : 0;
}

export async function tableOf(name: string): Promise<string> {
  return (await dmsetup(["table", name])).stdout.trim();
}

/** The target's status line without the two numbers of its place. */
export async function statusOf(name: string): Promise<string> {
  return (await dmsetup(["status", name])).stdout.trim();
}

/** Sends a target a message. The result is the refusal, where it is one of `prepared`. */
export async function sendMessage(
  name: string,
  message: string,
  prepared: readonly DmRefusal[] = [],
): Promise<DmRefusal | undefined> {
  return (await dmsetup(["message", name, "0", message], prepared)).refusal;
}

export interface PoolStatus {
  readonly usedMetadataBlocks: number;
  readonly metadataBlocks: number;
  readonly usedDataBlocks: number;
  readonly dataBlocks: number;
  /** A metadata snapshot is held. */
  readonly holdsSnapshot: boolean;
  readonly mode: "rw" | "ro" | "out_of_data_space" | "failed";
  readonly needsCheck: boolean;
}

const poolForm =
  /^\d+ \d+ thin-pool \d+ (\d+)\/(\d+) (\d+)\/(\d+) (\S+) (rw|ro|out_of_data_space) \S+ \S+ (needs_check|-)/;

/** Reads the status of a thin pool (kernel: admin-guide/device-mapper/thin-provisioning). Throws `tool-failed`. */
export function parsePoolStatus(line: string): PoolStatus {
  const parts = poolForm.exec(line);
  if (parts !== null) {
    const [usedMetadataBlocks = 0, metadataBlocks = 0, usedDataBlocks = 0, dataBlocks = 0] = parts
      .slice(1, 5)
      .map(Number);
    const mode = parts[6] === "ro" || parts[6] === "out_of_data_space" ? parts[6] : "rw";
    const counts = { usedMetadataBlocks, metadataBlocks, usedDataBlocks, dataBlocks };
    return { ...counts, holdsSnapshot: parts[5] !== "-", mode, needsCheck: parts[7] === "needs_check" };
  }
  if (/^\d+ \d+ thin-pool (Fail|Error)/.test(line)) {
    const none = { usedMetadataBlocks: 0, metadataBlocks: 0, usedDataBlocks: 0, dataBlocks: 0 };
    return { ...none, holdsSnapshot: false, mode: "failed", needsCheck: true };
  }
  throw new EmberError("tool-failed", `dmsetup reports an unknown state of a thin pool: '${line}'`);
}

/** What a thin volume maps, and where that ends, by its status line. Null: the volume has failed. */
export function parseThinStatus(line: string): { readonly mapped: number; readonly end: number } | null {
  const parts = /^\d+ \d+ thin (\d+) (\d+|-)/.exec(line);
  if (parts === null) return null;
  return { mapped: Number(parts[1]), end: parts[2] === "-" ? 0 : Number(parts[2]) + 1 };
}

/** Blocks of 4 KiB that a dm-vdo has used, and has (kernel: admin-guide/device-mapper/vdo). Throws `tool-failed`. */
export function parseVdoStatus(line: string): { readonly usedBlocks: number; readonly blocks: number } {
  const parts = /^\d+ \d+ vdo \S+ \S+ \S+ \S+ \S+ (\d+) (\d+)/.exec(line);
  if (parts !== null) return { usedBlocks: Number(parts[1]), blocks: Number(parts[2]) };
  throw new EmberError("tool-failed", `dmsetup reports an unknown state of a dm-vdo: '${line}'`);
}
