import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { run } from "../../host/run.ts";
import { formatSize } from "../../host/sizes.ts";
import { findTool } from "../../host/tools.ts";
import { noModule, poolState, zpool } from "../../host/zfs.ts";
import type { StorageChoice, StorageWish } from "../choice.ts";
import { makeParent, statIfThere } from "../disk-files.ts";
import type { StorageConfig } from "../storage.ts";
import { defaultBackingBytes, freeBytes } from "../usage.ts";
import { notOurs, ownerOf } from "./dataset.ts";
import { defaultName, namesOf } from "./names.ts";
import { leastPoolBytes } from "./pool.ts";

/**
 * A pool that exists is used as it is; else one is made on the device or in a sparse file. Changes nothing. Throws for a
 * wish that cannot be had: `usage`, `invalid-name`, `invalid-size`, `permission-denied`, `tool-missing`,
 * `host-unsupported`, `already-initialized`, `wrong-state`.
 */
export async function chooseZfs(wish: StorageWish): Promise<StorageChoice> {
  refuse("--fs", wish.fileSystem !== undefined, "which has no file system of its own");
  refuse("--vdo", wish.vdo === true, "which compresses by itself");
  refuse(
    "--size",
    wish.device !== undefined && wish.sizeBytes !== undefined,
    "on a device, which is taken whole",
  );
  const pool = wish.pool ?? defaultName;
  const dataset = wish.dataset ?? defaultName;
  namesOf({ pool, dataset });
  await checkHost();
  const folder = wish.storagePath ?? join(wish.stateDir, "storage");
  makeParent(folder);
  const config: StorageConfig = { driver: "zfs", folder, pool, dataset };
  const file = `${folder}.zpool`;
  if (poolState(pool) !== undefined && !(await liesIn(pool, file))) return await onExistingPool(config, wish);
  if (wish.device !== undefined) return await onDevice(config, wish.device);
  return await inFile(config, file, wish.sizeBytes);
}

function refuse(option: string, given: boolean, why: string): void {
  if (given) throw new EmberError("usage", `${option} cannot be used with --storage zfs ${why}`);
}

async function checkHost(): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new EmberError("permission-denied", "only root can make ZFS volumes", {
      hint: "run 'ember init' as root, or use another --storage",
    });
  }
  for (const tool of ["zfs", "zpool"]) findTool(tool);
  if (existsSync("/sys/module/zfs")) return;
  // zpool loads the module itself; this only asks whether there is one.
  const { status } = await run("modprobe", ["--dry-run", "--quiet", "zfs"], { okStatuses: [0, 1] });
  if (status !== 0) throw noModule("the kernel has no ZFS module");
}

/** Whether an imported pool is the one that ember made in that file. */
async function liesIn(pool: string, file: string): Promise<boolean> {
  if (!existsSync(file)) return false;
  const { stdout } = await zpool(pool, ["list", "-v", "-H", "-P", pool]);
  return stdout.split("\n").some((line) => line.split("\t").includes(file));
}

async function onExistingPool(config: StorageConfig, wish: StorageWish): Promise<StorageChoice> {
  const names = namesOf(config);
  if (wish.device !== undefined || wish.sizeBytes !== undefined) {
    throw new EmberError(
      "usage",
      `pool '${names.pool}' exists already: --device and --size are for a new one`,
      {
        hint: "leave them out to use it, or choose another name with --pool",
      },
    );
  }
  const owner = await ownerOf(names, config.folder);
  if (owner === "other") throw notOurs(names);
  return {
    config: { ...config, ownsPool: false },
    reason: `zfs: dataset '${names.root}' in the pool '${names.pool}' that is there`,
    fresh: owner === "none",
  };
}

async function onDevice(config: StorageConfig, device: string): Promise<StorageChoice> {
  if (statSync(device, { throwIfNoEntry: false })?.isBlockDevice() !== true) {
    throw new EmberError("usage", `'${device}' is not a block device`);
  }
  // blkid: 0 when it knows what is on it, 2 when there is nothing, 8 when there are several things.
  const { status } = await run("blkid", ["--probe", device], { okStatuses: [0, 2, 8] });
  if (status !== 2) {
    throw new EmberError("wrong-state", `the device '${device}' holds something already`, {
      hint: `see 'wipefs ${device}'; if nothing of it is needed any more: wipefs --all ${device}`,
    });
  }
  return {
    config: { ...config, ownsPool: true, device },
    reason: `zfs: a new pool '${config.pool}' on '${device}'`,
    fresh: true,
  };
}

async function inFile(
  config: StorageConfig,
  backingFile: string,
  sizeBytes: number | undefined,
): Promise<StorageChoice> {
  const existing = statIfThere(backingFile);
  if (sizeBytes !== undefined && sizeBytes < leastPoolBytes) {
    throw new EmberError("invalid-size", `a pool of ${sizeBytes} bytes is too small`, {
      hint: "at least 128M",
    });
  }
  const backingBytes =
    existing?.size ?? sizeBytes ?? defaultBackingBytes(await freeBytes(dirname(backingFile)));
  const of = `pool '${config.pool}' of ${formatSize(backingBytes)} in '${backingFile}'`;
  return {
    config: { ...config, ownsPool: true, backingFile, backingBytes },
    reason: existing === undefined ? `zfs: a new ${of}, which takes what is written` : `zfs: the ${of}`,
    fresh: existing === undefined,
  };
}
