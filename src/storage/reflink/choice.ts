import { existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { deviceBytes, kernelNameOf } from "../../host/block-device.ts";
import { formatSize } from "../../host/sizes.ts";
import { findTool } from "../../host/tools.ts";
import type { StorageChoice, StorageWish } from "../choice.ts";
import { statIfThere } from "../disk-files.ts";
import { cannotClone } from "../failure.ts";
import { defaultBackingBytes, freeBytes } from "../usage.ts";
import { toolsFor } from "./backing.ts";
import { inspectDevice } from "./device-medium.ts";
import { linuxMeans } from "./driver.ts";
import { type FileSystem, fileSystems } from "./file-systems.ts";

// The choice of a file system of ember's own. Nothing is made or mounted here: `init` of what was chosen does that.

/** The storage file that is there already, and what is in it by its name. */
export function fileBeside(folder: string): FileSystem | undefined {
  return Object.values(fileSystems).find(({ name }) => existsSync(`${folder}.${name}`));
}

/** Throws why this user on this host cannot make and mount a file system. */
function checkCanMount(kind: FileSystem, onDevice: boolean, refusal: () => EmberError): void {
  if (process.getuid?.() !== 0) throw refusal();
  for (const tool of toolsFor(kind, onDevice)) findTool(tool);
  if (!mayMount()) {
    throw new EmberError("permission-denied", "root may not mount file systems here (no CAP_SYS_ADMIN)", {
      hint: "use --storage qcow2, or give the container that capability and /dev/loop-control",
    });
  }
  if (!onDevice && !existsSync("/dev/loop-control")) {
    throw new EmberError("host-unsupported", "this host has no loop devices (/dev/loop-control)", {
      hint: "load the module with 'modprobe loop', or use --storage qcow2",
    });
  }
}

/** Whether this process has CAP_SYS_ADMIN, which root in a container often has not. */
function mayMount(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  const sysAdmin = 21n;
  return effective !== undefined && ((BigInt(`0x${effective}`) >> sysAdmin) & 1n) === 1n;
}

const gib = 1024 ** 3;

/** A sparse file beside the folder, that `init` makes unless it is there. */
export async function inFile(
  folder: string,
  wish: Pick<StorageWish, "sizeBytes" | "fileSystem">,
): Promise<StorageChoice> {
  const beside = fileBeside(folder);
  const kind = wish.fileSystem === undefined ? (beside ?? fileSystems.xfs) : fileSystems[wish.fileSystem];
  checkCanMount(kind, false, () => {
    const cause = cannotClone(dirname(folder), linuxMeans.remedy);
    return new EmberError(cause.code, `${cause.message}, and only root can mount one that does`, {
      hint: "use --storage qcow2, a state folder on XFS or btrfs (--state-dir), or run 'ember init' as root",
    });
  });
  if (beside !== undefined && beside !== kind) {
    throw new EmberError("already-initialized", `'${folder}.${beside.name}' holds a storage already`, {
      hint: `use it (--fs ${beside.name}), or move it away`,
    });
  }
  const { sizeBytes } = wish;
  if (sizeBytes !== undefined && sizeBytes < kind.leastBytes) {
    throw new EmberError("invalid-size", `a storage of ${sizeBytes} bytes is too small`, {
      hint: `at least ${kind.leastText}`,
    });
  }
  const backingFile = `${folder}.${kind.name}`;
  const existing = statIfThere(backingFile);
  const backingBytes = existing?.size ?? sizeBytes ?? defaultBackingBytes(await freeBytes(dirname(folder)));
  const size = `${Math.floor((backingBytes / gib) * 10) / 10} GiB`;
  return {
    config: { driver: "reflink", folder, backingFile, backingBytes, ...kept(kind) },
    reason:
      existing === undefined
        ? `reflink: ${kind.title} of up to ${size} in the sparse file '${backingFile}'`
        : `reflink: the ${kind.title.replace(/^an? /, "")} of ${size} that is in '${backingFile}' already`,
    fresh: existing === undefined,
  };
}

/** XFS is what a configuration means that says nothing. */
function kept({ name }: FileSystem): { fileSystem?: FileSystem["name"] } {
  return name === "xfs" ? {} : { fileSystem: name };
}

/** A device that is empty, or holds the storage that ember made on it before. */
export async function onDevice(
  folder: string,
  device: string,
  wish: Pick<StorageWish, "sizeBytes" | "fileSystem">,
): Promise<StorageChoice> {
  if (wish.sizeBytes !== undefined) {
    throw new EmberError("usage", "--size cannot be used with --device, which is taken as a whole");
  }
  const kind = fileSystems[wish.fileSystem ?? "xfs"];
  checkCanMount(kind, true, () => {
    return new EmberError("permission-denied", "only root can use --device", {
      hint: "run 'ember init' as root, or use --storage qcow2",
    });
  });
  const name = kernelNameOf(device);
  if (name === undefined) {
    throw new EmberError("file-not-found", `there is no block device '${device}'`, {
      hint: "'lsblk' lists the devices that there are",
    });
  }
  const fresh = (await inspectDevice(device, kind)) === "free";
  const what = fresh ? kind.title : `the ${kind.title.replace(/^an? /, "")} that ember made before`;
  return {
    config: { driver: "reflink", folder, device, ...kept(kind) },
    reason: `reflink: ${what} on '${device}' (${formatSize(deviceBytes(name))})`,
    fresh,
  };
}
