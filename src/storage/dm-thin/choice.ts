import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { dmTargets } from "../../host/dmsetup.ts";
import { run } from "../../host/run.ts";
import { formatSize } from "../../host/sizes.ts";
import { findTool, lookUpTool } from "../../host/tools.ts";
import type { StorageChoice, StorageWish } from "../choice.ts";
import { makeParent, statIfThere } from "../disk-files.ts";
import type { StorageConfig } from "../storage.ts";
import { defaultBackingBytes, freeBytes } from "../usage.ts";
import { carriesPool } from "./backing-device.ts";
import { tools } from "./driver.ts";
import { thinLayoutOf } from "./layout.ts";
import { blockBytes, splitPool } from "./sizes.ts";

/**
 * A thin pool in sparse files beside the storage's folder, or on a block device as a whole. Changes nothing. Throws for
 * a wish that cannot be had: `usage`, `invalid-size`, `permission-denied`, `tool-missing`, `host-unsupported`,
 * `wrong-state`.
 */
export async function chooseDmThin(wish: StorageWish): Promise<StorageChoice> {
  refuse("--fs", wish.fileSystem !== undefined, "which has no file system of its own");
  refuse("--pool", wish.pool !== undefined, "whose pool has a name of its own");
  refuse("--dataset", wish.dataset !== undefined, "which has no datasets");
  const both = wish.device !== undefined && wish.sizeBytes !== undefined;
  refuse("--size", both, "on a device, which is taken whole");
  await checkHost();
  if (wish.vdo === true) await checkVdo();
  const folder = wish.storagePath ?? join(wish.stateDir, "storage");
  makeParent(folder);
  const config: StorageConfig = {
    driver: "dm-thin",
    folder,
    ...(wish.vdo === true ? { vdo: true } : {}),
  };
  return wish.device === undefined ? inFiles(config, wish.sizeBytes) : onDevice(config, wish.device);
}

function refuse(option: string, given: boolean, why: string): void {
  if (given) throw new EmberError("usage", `${option} cannot be used with --storage dm-thin ${why}`);
}

async function checkHost(): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new EmberError("permission-denied", "only root can make thin pools", {
      hint: "run 'ember init' as root, or use another --storage",
    });
  }
  for (const tool of tools) findTool(tool);
  if (await hasTarget("thin-pool")) return;
  throw new EmberError(
    "host-unsupported",
    "the kernel has no thin pools (device-mapper target 'thin-pool')",
    {
      hint: "load the module ('modprobe dm-thin-pool'; Debian's kernels have it), or use another --storage",
    },
  );
}

async function checkVdo(): Promise<void> {
  if (await hasTarget("vdo")) {
    findTool("vdoformat");
    return;
  }
  throw new EmberError(
    "host-unsupported",
    "--vdo needs a kernel with dm-vdo (Linux 6.9 or newer, built with it), and this one has none",
    { hint: "leave --vdo out, or use a storage that compresses: --storage zfs, or --fs btrfs" },
  );
}

/** Whether the kernel has a target of device-mapper; its module is loaded if there is one. */
async function hasTarget(target: "thin-pool" | "vdo"): Promise<boolean> {
  // Without the module even asking fails.
  const has = (): Promise<boolean> =>
    dmTargets().then(
      (names) => names.includes(target),
      () => false,
    );
  if (await has()) return true;
  if (lookUpTool("modprobe") === undefined) return false;
  const { status } = await run("modprobe", ["--quiet", `dm-${target}`], { okStatuses: [0, 1] });
  return status === 0 && (await has());
}

async function inFiles(config: StorageConfig, sizeBytes: number | undefined): Promise<StorageChoice> {
  const { dataFile, metadataFile } = thinLayoutOf(config);
  const [data, metadata] = [statIfThere(dataFile), statIfThere(metadataFile)];
  const existing = data === undefined || metadata === undefined ? undefined : data.size + metadata.size;
  if (sizeBytes !== undefined && sizeBytes % blockBytes !== 0) {
    throw new EmberError("invalid-size", `a storage cannot have ${sizeBytes} bytes`, {
      hint: `its size is a multiple of ${blockBytes} bytes`,
    });
  }
  const backingBytes = existing ?? sizeBytes ?? defaultBackingBytes(await freeBytes(dirname(dataFile)));
  splitPool(backingBytes); // refuses what is too small
  const pool = `a thin pool of ${existing === undefined ? "up to " : ""}${formatSize(backingBytes)}`;
  const compressed = config.vdo === true ? ", compressed by dm-vdo" : "";
  return {
    config: { ...config, backingFile: dataFile, backingBytes },
    reason:
      existing === undefined
        ? `dm-thin: ${pool} in the sparse file '${dataFile}'${compressed}`
        : `dm-thin: ${pool} that is in '${dataFile}' already${compressed}`,
    fresh: existing === undefined && !existsSync(thinLayoutOf(config).marker),
  };
}

async function onDevice(config: StorageConfig, device: string): Promise<StorageChoice> {
  if (statSync(device, { throwIfNoEntry: false })?.isBlockDevice() !== true) {
    throw new EmberError("usage", `'${device}' is not a block device`);
  }
  const ours = existsSync(thinLayoutOf(config).marker) && carriesPool(device);
  if (!ours && (await holdsSomething(device))) {
    throw new EmberError("wrong-state", `the device '${device}' holds something already`, {
      hint: `see 'wipefs ${device}'; if nothing of it is needed any more: wipefs --all ${device}`,
    });
  }
  return {
    config: { ...config, device },
    reason: `dm-thin: ${ours ? "the" : "a new"} thin pool on '${device}'`,
    fresh: !ours,
  };
}

async function holdsSomething(device: string): Promise<boolean> {
  if (carriesPool(device)) return true;
  // blkid: 0 when it knows what is on it, 2 when there is nothing, 8 when there are several things.
  const { status } = await run("blkid", ["--probe", device], { okStatuses: [0, 2, 8] });
  return status !== 2;
}
