import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { randomHex } from "../../../src/host/random.ts";
import { run } from "../../../src/host/run.ts";
import { lookUpTool } from "../../../src/host/tools.ts";
import { poolState } from "../../../src/host/zfs.ts";
import { zfsList } from "../../../src/host/zfs-list.ts";
import type { StorageConfig } from "../../../src/storage/storage.ts";
import { createZfs } from "../../../src/storage/zfs/driver.ts";
import { mib, type StorageFactory, scratchFolder, underTest } from "./place.ts";

/** Why there is no ZFS to test on here. */
export function missingForZfs(): ReturnType<StorageFactory["missing"]> {
  const requirement = "zfs";
  if (process.getuid?.() !== 0) return { requirement, reason: "only root can make ZFS volumes" };
  const absent = ["zfs", "zpool"].filter((tool) => lookUpTool(tool) === undefined);
  if (absent.length > 0) return { requirement, reason: `not installed: ${absent.join(", ")}` };
  if (!existsSync("/dev/zfs")) return { requirement, reason: "the ZFS module is not loaded (no /dev/zfs)" };
  return undefined;
}

/** Destroys the pool whatever state it is in, and says when something still has it open. */
export async function destroyPool(pool: string): Promise<void> {
  for (let attempts = 0; poolState(pool) !== undefined; attempts += 1) {
    const { status, stderr } = await run("zpool", ["destroy", "-f", pool], { okStatuses: [0, 1, 2, 255] });
    if (status === 0) return;
    if (attempts === 50) throw new Error(stderr);
    await Bun.sleep(200); // something lets go of it in a moment
  }
}

/** Takes all that can be written: a volume that reserves it. The result gives it back. */
async function fillPool(pool: string): Promise<() => Promise<void>> {
  const filler = `${pool}/filler`;
  const [row] = await zfsList(pool, [pool]);
  const bytes = (row?.availableBytes ?? 0) - mib;
  await run("zfs", ["create", "-o", "mountpoint=none", "-o", `refreservation=${bytes}`, filler]);
  return async () => {
    await run("zfs", ["destroy", filler]);
  };
}

/** Scratch volumes, snapshots between two commands, and put-aside volumes that hold nothing, or nobody's. */
async function leftoversIn(pool: string, folder: string): Promise<string[]> {
  const rows = await zfsList(pool, [pool], { recursive: true });
  const names = new Set(rows.map(({ name }) => name));
  const left = rows.filter(({ name, deferred }) => {
    if (name.includes("/scratch/")) return true;
    if (name.includes("@fork.")) return !deferred;
    const put = /^(.*)\/history\/([0-9a-f]+)-[0-9a-f]{8}$/.exec(name);
    if (put === null) return false;
    return !names.has(`${put[1]}/vms/${put[2]}`) || ![...names].some((other) => other.startsWith(`${name}@`));
  });
  const staged = existsSync(join(folder, "staging")) ? readdirSync(join(folder, "staging")) : [];
  return [...left.map(({ name }) => name), ...staged];
}

/** `zfs` on a pool that its own `init` makes in a file. */
export const zfsOnFiles: StorageFactory = {
  driver: { name: "zfs", create: createZfs },
  facts: {
    diskFiles: false,
    mountsFolder: false,
    slackBytes: 512 * 1024,
    clonesFill: true,
    freesOverwritten: "bytes",
    unknown: [],
  },
  missing: missingForZfs,
  async make({ folderName = "storage", small = false } = {}) {
    const place = scratchFolder();
    const folder = join(place.path, folderName);
    const pool = `ember-test-${randomHex(4)}`;
    const config: StorageConfig = {
      driver: "zfs",
      folder,
      pool,
      dataset: "ember",
      ownsPool: true,
      backingFile: `${folder}.zpool`,
      backingBytes: (small ? 192 : 512) * mib,
    };
    const release = async (): Promise<void> => {
      await destroyPool(pool);
      place[Symbol.dispose]();
    };
    return underTest({ name: "zfs", create: createZfs }, config, release, {
      fill: () => fillPool(pool),
      leftovers: () => leftoversIn(pool, folder),
    });
  },
};
