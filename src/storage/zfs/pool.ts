import { closeSync, existsSync, ftruncateSync, openSync, statfsSync, statSync, truncateSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { syncFolder } from "../../host/files.ts";
import { run } from "../../host/run.ts";
import { checkPool, poolState, zpool, zpoolWhenQuiet } from "../../host/zfs.ts";
import { zfsList } from "../../host/zfs-list.ts";
import { statIfThere } from "../disk-files.ts";
import { lowerFileSystemFull } from "../failure.ts";
import type { StorageConfig } from "../storage.ts";
import { defaultName } from "./names.ts";

/** The pool below ember's dataset: ember's own in a file or on a device, or somebody's. */
export interface Pool {
  readonly name: string;
  readonly owned: boolean;
  /** Where the file of a pool of ember's own lies. */
  readonly hostFolder: string | undefined;
  /** Throws `disk-full` when the file system below is full: the pool would suspend itself. */
  checkRoom(): void;
  /** Post-condition: the pool is imported; one of ember's own is made when it is not there yet. Idempotent. */
  init(): Promise<void>;
  /** Imports again after a reboot. Reads one file of the kernel's when nothing is to be done. */
  open(): Promise<void>;
  /** Exports a pool of ember's own, or with `purge` destroys it. Idempotent. Throws `busy`. */
  deinit(purge: boolean): Promise<void>;
}

export const leastPoolBytes: number = 128 * 1024 ** 2;

export function poolOf(config: StorageConfig): Pool {
  const name = config.pool ?? defaultName;
  const owned = config.ownsPool === true;
  const file = owned ? config.backingFile : undefined;
  const own: OwnPool = { name, file, device: config.device, bytes: config.backingBytes };
  const lowerFull = (): boolean => {
    if (file === undefined || !existsSync(dirname(file))) return false;
    const facts = statfsSync(dirname(file));
    return facts.bavail * facts.bsize < 64 * 1024 ** 2;
  };
  return {
    name,
    owned,
    hostFolder: file === undefined ? undefined : dirname(file),
    checkRoom: () => {
      if (lowerFull()) throw lowerFileSystemFull(`make a disk in pool '${name}'`);
    },
    init: async () => {
      if (owned && poolState(name) === undefined) await importOrMake(own);
      checkPool(name);
    },
    open: async () => {
      if (owned && poolState(name) === undefined) await importPool(own);
      if (owned && poolState(name) === "SUSPENDED" && !lowerFull()) await zpool(name, ["clear", name]);
      checkPool(name);
    },
    deinit: async (purge) => {
      if (owned) await takeDown(own, purge);
    },
  };
}

interface OwnPool {
  readonly name: string;
  readonly file: string | undefined;
  readonly device: string | undefined;
  readonly bytes: number | undefined;
}

async function importOrMake(pool: OwnPool): Promise<void> {
  const { file } = pool;
  if (file === undefined) {
    if (await importable(pool)) await importPool(pool);
    else await makePool(pool, pool.device ?? "");
    return;
  }
  // A file without a single block is one that a killed command made and did nothing with.
  if ((statIfThere(file)?.blocks ?? 0) > 0) return await importPool(pool);
  const bytes = pool.bytes ?? 0;
  if (!Number.isSafeInteger(bytes) || bytes < leastPoolBytes) {
    throw new EmberError("invalid-size", `a pool cannot have ${bytes} bytes`, {
      hint: `ask for at least ${leastPoolBytes} bytes (128M)`,
    });
  }
  const descriptor = openSync(file, "a", 0o600);
  try {
    ftruncateSync(descriptor, bytes);
  } finally {
    closeSync(descriptor);
  }
  await makePool(pool, file);
  syncFolder(dirname(file));
}

/** A pool in a file stays out of the host's cache of pools to import at boot: the file may not be there yet then. */
async function makePool({ name, file }: OwnPool, below: string): Promise<void> {
  const ofFile = file === undefined ? [] : ["-o", "cachefile=none", "-o", "autotrim=on"];
  await zpool(name, [
    "create",
    ...["-o", "ashift=12", ...ofFile],
    ...["-O", "compression=lz4", "-O", "mountpoint=none", "-O", "canmount=off"],
    ...[name, below],
  ]);
}

/** Where `zpool import` looks: the file itself, else the folder of the device, which may have another name by now. */
function searched({ file, device }: OwnPool): readonly string[] {
  const place = file ?? (device === undefined ? undefined : dirname(device));
  return place === undefined ? [] : ["-d", place];
}

/** Whether a pool of that name can be imported. */
async function importable(pool: OwnPool): Promise<boolean> {
  const { name } = pool;
  const { stdout } = await zpool(name, ["import", ...searched(pool)], ["missing", "no-pool"]);
  return stdout.split("\n").some((line) => line.trim() === `pool: ${name}`);
}

async function importPool(pool: OwnPool): Promise<void> {
  const { name, file } = pool;
  if (file !== undefined && !existsSync(file)) {
    throw new EmberError("io-failed", `the storage's file '${file}' is gone`, {
      hint: "put it back, or run 'ember deinit --purge' and 'ember init' to begin anew",
    });
  }
  if (process.getuid?.() !== 0) {
    throw new EmberError("permission-denied", `pool '${name}' can only be imported by root`, {
      hint: "run a command once as root: 'sudo ember info' imports it",
    });
  }
  if (!(await importable(pool))) {
    if (poolState(name) !== undefined) return; // another command was faster
    const where = file === undefined ? "on the devices of this host" : `in '${file}'`;
    throw new EmberError("io-failed", `there is no pool '${name}' ${where}`, {
      hint: "put back what was there, or run 'ember deinit --purge' and 'ember init' to begin anew",
    });
  }
  const cache = file === undefined ? [] : ["-o", "cachefile=none"];
  const tolerated = ["exists", "missing", "no-pool"] as const; // as above
  await zpool(name, ["import", ...searched(pool), "-N", ...cache, name], tolerated);
}

async function takeDown(pool: OwnPool, purge: boolean): Promise<void> {
  const { name, file } = pool;
  if (poolState(name) === undefined && purge && file === undefined && (await importable(pool))) {
    await importPool(pool); // what is on a device is only gone when it was destroyed
  }
  if (poolState(name) !== undefined) {
    const kept = !purge || (await holdsOthers(name));
    await zpoolWhenQuiet(name, [kept ? "export" : "destroy", name], ["missing", "no-pool"]);
    if (kept) return;
    if (pool.device !== undefined) await wipe(pool.device);
  }
  if (purge && file !== undefined) await rm(file, { force: true });
}

/** A destroyed pool leaves its labels, and the partitions it made: the device would look as if it were in use. */
async function wipe(device: string): Promise<void> {
  const { stdout } = await run("lsblk", ["--noheadings", "--list", "--paths", "--output", "NAME", device]);
  for (const part of stdout.trim().split(/\s+/).reverse()) await run("wipefs", ["--all", "--force", part]);
}

/** Whether somebody made a dataset in ember's pool; ember's own is gone by then. */
async function holdsOthers(name: string): Promise<boolean> {
  return (await zfsList(name, [name], { recursive: true })).length > 1;
}

/** See Storage.expand. */
export async function expandPool(config: StorageConfig, sizeBytes: number | undefined): Promise<void> {
  const name = config.pool ?? defaultName;
  const { backingFile: file, device } = config;
  checkPool(name);
  if (file !== undefined) enlargeFile(file, sizeBytes);
  else if (sizeBytes !== undefined) {
    throw new EmberError("unsupported", `pool '${name}' takes all of its device: no size can be given`, {
      hint: "enlarge the device, then run the command without a size",
    });
  }
  await zpool(name, ["online", "-e", name, file ?? device ?? ""]);
}

function enlargeFile(file: string, sizeBytes: number | undefined): void {
  const current = statSync(file).size;
  const wanted = sizeBytes ?? current;
  if (!Number.isSafeInteger(wanted) || wanted <= 0 || wanted % 512 !== 0) {
    throw new EmberError("invalid-size", `a pool cannot have ${wanted} bytes`);
  }
  if (wanted < current) {
    throw new EmberError("unsupported", `a pool of ${current} bytes cannot be made smaller`);
  }
  if (wanted > current) truncateSync(file, wanted);
}
