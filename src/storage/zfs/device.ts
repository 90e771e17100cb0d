import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EmberError } from "../../errors/ember-error.ts";
import { randomHex } from "../../host/random.ts";
import { run } from "../../host/run.ts";
import { zvolName } from "../../host/zvol.ts";

// Device nodes of volumes. udev makes and renames their links a moment after the kernel has made the device, so a link
// is believed only when the device behind it says that it is that volume.

export function devicePath(volume: string): string {
  return `/dev/zvol/${volume}`;
}

/** The device behind the link, undefined when the link is not there or is of another volume. */
function deviceOf(volume: string): string | undefined {
  let device: string;
  try {
    device = realpathSync(devicePath(volume));
  } catch {
    return undefined; // no link, or one that leads nowhere any more
  }
  return zvolName(device) === volume ? device : undefined;
}

const waitMs = 120_000;
const nudgeAfterMs = 3000;

/** Post-condition: the volume's link is there and leads to it. Throws `timeout`. */
export async function waitForDevice(volume: string): Promise<string> {
  const begin = Date.now();
  const udev = existsSync("/run/udev/control");
  let nudged = false;
  for (let attempts = 0; ; attempts += 1) {
    if (deviceOf(volume) !== undefined) return devicePath(volume);
    const waitedMs = Date.now() - begin;
    if (udev && !nudged && waitedMs > nudgeAfterMs) {
      nudged = true;
      await nudgeUdev(volume);
    }
    if (!udev || waitedMs > 5 * nudgeAfterMs) linkByHand(volume);
    if (waitedMs > waitMs) {
      throw new EmberError("timeout", `the device '${devicePath(volume)}' did not appear`, {
        hint: "see that udev runs ('udevadm settle') and that its rules for ZFS are installed (zfsutils-linux)",
      });
    }
    await sleep(Math.min(5 * 2 ** attempts, 300));
  }
}

function findDevice(volume: string): string | undefined {
  const zvols = readdirSync("/sys/block").filter((name) => /^zd[0-9]+$/.test(name));
  return zvols.find((name) => zvolName(`/dev/${name}`) === volume);
}

/** udev asks once for a device's name, and when that fails on a busy host, it never asks again by itself. */
async function nudgeUdev(volume: string): Promise<void> {
  const device = findDevice(volume);
  if (device === undefined) return;
  await run("udevadm", ["trigger", "--action=change", `/sys/block/${device}`], { okStatuses: [0, 1] });
}

/** In a container, or on a small system, nobody else makes the link. */
function linkByHand(volume: string): void {
  const device = findDevice(volume);
  if (device === undefined) return;
  const link = devicePath(volume);
  const scratch = `${link}.${randomHex(4)}`;
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync(`/dev/${device}`, scratch);
  renameSync(scratch, link);
}

/** Hands what the host's cache holds of an active volume to ZFS, so that a snapshot has it. */
export function flushDevice(volume: string): void {
  const device = deviceOf(volume);
  if (device === undefined) return;
  const file = openSync(device, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Whether a process has the volume open. The kernel tells nobody but those who look at every process's files. */
export function isOpen(volume: string): boolean {
  const device = deviceOf(volume);
  if (device === undefined) return false;
  const wanted = statSync(device).rdev;
  return readdirSync("/proc").some((pid) => /^[0-9]+$/.test(pid) && hasOpen(`/proc/${pid}/fd`, wanted));
}

function hasOpen(folder: string, rdev: number): boolean {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return false; // it ended while we looked
  }
  return names.some((name) => {
    try {
      const facts = statSync(`${folder}/${name}`);
      return facts.isBlockDevice() && facts.rdev === rdev;
    } catch {
      return false; // closed meanwhile
    }
  });
}
