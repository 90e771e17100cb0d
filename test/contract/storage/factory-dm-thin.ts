import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import {
  createDevice,
  listDevices,
  mapperPath,
  removeDevice,
  resumeDevice,
  sendMessage,
} from "../../../src/host/dmsetup.ts";
import { detachLoops } from "../../../src/host/losetup.ts";
import { run } from "../../../src/host/run.ts";
import { readTool } from "../../../src/host/run-sync.ts";
import { lookUpTool } from "../../../src/host/tools.ts";
import { createDmThin, tools } from "../../../src/storage/dm-thin/driver.ts";
import { type ThinLayout, thinLayoutOf } from "../../../src/storage/dm-thin/layout.ts";
import { readDisks } from "../../../src/storage/dm-thin/records.ts";
import { thinTable } from "../../../src/storage/dm-thin/sizes.ts";
import type { StorageConfig } from "../../../src/storage/storage.ts";
import { contextIn } from "./numbers.ts";
import { gib, mib, type StorageFactory, scratchFolder, underTest } from "./place.ts";

const dmThin: StorageFactory["driver"] = { name: "dm-thin", create: createDmThin };
const requirement = "dm-thin";

/** Why there can be no thin pool here. */
function missing(): ReturnType<StorageFactory["missing"]> {
  if (process.getuid?.() !== 0) return { requirement, reason: "only root can make thin pools" };
  const absent = tools.filter((tool) => lookUpTool(tool) === undefined);
  if (absent.length > 0) return { requirement, reason: `not installed: ${absent.join(", ")}` };
  const hasTarget = (): boolean => /^thin-pool\s/m.test(readTool(lookUpTool("dmsetup") ?? "", ["targets"]));
  if (hasTarget()) return undefined;
  readTool(lookUpTool("modprobe") ?? "modprobe", ["dm-thin-pool"]);
  return hasTarget() ? undefined : { requirement, reason: "the kernel has no dm-thin-pool" };
}

/** `dm-thin` over a pool in sparse files. */
export const dmThinOnFiles: StorageFactory = {
  driver: dmThin,
  facts: {
    diskFiles: false,
    mountsFolder: false,
    slackBytes: 0,
    clonesFill: true,
    freesOverwritten: "bytes",
    unknown: ["image.logicalBytes", "vm.logicalBytes", "snapshot.logicalBytes"],
  },
  missing,
  async make({ folderName = "storage", small = false } = {}) {
    const place = scratchFolder();
    const folder = join(place.path, folderName);
    const config: StorageConfig = {
      driver: "dm-thin",
      folder,
      backingFile: `${folder}.thin-data`,
      backingBytes: (small ? 24 : 400) * mib,
    };
    const layout = thinLayoutOf(config);
    const storage = underTest(
      dmThin,
      config,
      async () => {
        await forceDown(layout);
        place[Symbol.dispose]();
      },
      { fill: () => fillPool(layout), leftovers: async () => leftovers(layout, storage.numbersFolder) },
    );
    return storage;
  },
};

/** Takes everything down as a reboot would, whatever state it is in. */
export async function forceDown(layout: ThinLayout): Promise<void> {
  const devices = listDevices(layout.prefix);
  for (const { name, suspended } of devices) if (suspended) await resumeDevice(name);
  const below = [layout.pool, `${layout.prefix}meta`, `${layout.prefix}data`, `${layout.prefix}vdo`];
  for (const { name } of devices) if (!below.includes(name)) await removeDevice(name);
  for (const name of below) await removeDevice(name);
  for (const file of [layout.dataFile, layout.metadataFile]) await detachLoops(file);
}

const largestThinId = 2 ** 24 - 1;

/** Takes `bytes` of the pool, all that are free if not said, with a thin device that is no disk: the `number`th such. */
export async function fillPool(
  layout: ThinLayout,
  bytes: number = gib,
  number = 0,
): Promise<() => Promise<void>> {
  const name = `${layout.prefix}filler-${number}`;
  const thinId = largestThinId - number;
  await sendMessage(layout.pool, `create_thin ${thinId}`);
  await createDevice(name, thinTable(mapperPath(layout.pool), thinId, gib));
  const count = `count=${Math.floor(bytes / 65_536)}`;
  await run("dd", ["if=/dev/urandom", `of=${mapperPath(name)}`, "bs=65536", count, "oflag=direct"], {
    okStatuses: [0, 1],
    timeoutMs: 600_000,
  });
  return async () => {
    await removeDevice(name);
    await sendMessage(layout.pool, `delete ${thinId}`);
  };
}

/** Scratch files, devices that no disk needs to be active, and thin devices that no record names. */
function leftovers(layout: ThinLayout, numbersFolder: string): string[] {
  const devices = listDevices(layout.prefix).map(({ name }) => name.slice(layout.prefix.length));
  const used = new Set(existsSync(layout.images) ? readDisks(layout).map(({ record }) => record.thinId) : []);
  using context = contextIn(numbersFolder);
  return [
    ...(existsSync(layout.staging) ? readdirSync(layout.staging) : []),
    ...devices.filter((name) => name !== "pool" && !name.startsWith("filler-")),
    ...[...context.numbers.all()].filter(([, thinId]) => !used.has(thinId)).map(([key]) => key),
  ];
}
