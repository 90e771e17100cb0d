import { readdirSync } from "node:fs";
import { join } from "node:path";
import { listDevices, removeDevice } from "../../host/dmsetup.ts";
import { readScratchName } from "../scratch.ts";
import { scratchDevice, vmDevice } from "./layout.ts";
import type { ThinPlace } from "./pool.ts";
import { readDisks, removeScratch } from "./records.ts";
import { dropThin, resumeAll } from "./volumes.ts";

/** Whether a killed command left something. Cheap. */
export function hasLeftovers(place: ThinPlace): boolean {
  return readdirSync(place.layout.staging).some((name) => readScratchName(name)?.ownerAlive === false);
}

/**
 * Under the lock. Undoes what killed commands left: devices that are suspended or that no disk has, and thin devices
 * that have a number and no record. What a living command is making has its scratch file, by which the number is known.
 */
export async function sweep(place: ThinPlace): Promise<void> {
  const { layout, context } = place;
  const scratches = readdirSync(layout.staging).filter((name) => readScratchName(name) !== undefined);
  const living = scratches.filter((name) => readScratchName(name)?.ownerAlive === true);
  const disks = readDisks(layout);

  await resumeAll(place);
  const expected = new Set([
    ...["pool", "meta", "data", "vdo"].map((name) => `${layout.prefix}${name}`),
    ...disks.flatMap(({ disk }) => (disk.kind === "vm" ? [vmDevice(layout, disk)] : [])),
    ...living.map((name) => scratchDevice(layout, name)),
  ]);
  for (const { name } of listDevices(layout.prefix)) if (!expected.has(name)) await removeDevice(name);

  const used = new Set(disks.map(({ record }) => record.thinId));
  for (const [key, thinId] of context.numbers.all()) {
    if (used.has(thinId) || living.some((name) => key.startsWith(name))) continue;
    await dropThin(place, thinId);
  }
  for (const name of scratches) if (!living.includes(name)) removeScratch(join(layout.staging, name));
}
