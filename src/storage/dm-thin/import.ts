import { lstatSync } from "node:fs";
import { rm } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { createDevice, mapperPath, removeDevice } from "../../host/dmsetup.ts";
import type { ImageDisk } from "../storage.ts";
import { recordPath, scratchDevice } from "./layout.ts";
import { checkRoom, type ThinPlace } from "./pool.ts";
import { beginScratch, publishRecord, readRecord } from "./records.ts";
import { thinTable } from "./sizes.ts";
import { fillDevice, makeEmpty, undo } from "./volumes.ts";

type Locked = <T>(what: string, work: () => Promise<T>) => Promise<T>;

/** See Storage.importImage. Other commands go on while the disk is copied into its thin device. */
export async function importImage(
  place: ThinPlace,
  image: ImageDisk,
  path: string,
  locked: Locked,
): Promise<void> {
  const final = recordPath(place.layout, { kind: "image", imageId: image.imageId });
  const staged = checkStaged(place, path);
  if (readRecord(final) === undefined) {
    if (staged === undefined) {
      throw new EmberError("file-not-found", `there is no disk to import at '${path}'`);
    }
    await fillNew(place, image, path, staged, locked);
  }
  await rm(path, { force: true });
}

interface StagedDisk {
  readonly sizeBytes: number;
  readonly occupiedBytes: number;
}

/** Undefined when nothing is there. Throws `io-failed`, `image-invalid`. */
function checkStaged(place: ThinPlace, path: string): StagedDisk | undefined {
  if (dirname(resolve(path)) !== place.layout.staging) {
    throw new EmberError("io-failed", `'${path}' does not lie in the storage's staging folder`);
  }
  const facts = lstatSync(path, { throwIfNoEntry: false });
  if (facts === undefined) return undefined;
  if (!facts.isFile() || facts.size === 0 || facts.size % 512 !== 0) {
    throw new EmberError(
      "image-invalid",
      `'${path}' is not a disk: a whole number of 512-byte sectors is needed`,
    );
  }
  return { sizeBytes: facts.size, occupiedBytes: facts.blocks * 512 };
}

async function fillNew(
  place: ThinPlace,
  image: ImageDisk,
  path: string,
  staged: StagedDisk,
  locked: Locked,
): Promise<void> {
  const what = "import an image";
  const { layout } = place;
  const scratch = beginScratch(layout, "new", image.imageId);
  const device = scratchDevice(layout, basename(scratch));
  try {
    const thinId = await locked(what, async () => {
      await checkRoom(place, what, staged.occupiedBytes);
      const made = await makeEmpty(place, basename(scratch));
      await createDevice(device, thinTable(mapperPath(layout.pool), made, staged.sizeBytes));
      return made;
    });
    await fillDevice(path, device);
    await locked(what, async () => {
      if ((await removeDevice(device)) === "busy") {
        throw new EmberError("busy", `'${mapperPath(device)}' is in use`);
      }
      const final = recordPath(layout, { kind: "image", imageId: image.imageId });
      const record = { thinId, sizeBytes: staged.sizeBytes };
      // False: another command was faster, and clones may refer to its image.
      if (!(await publishRecord(scratch, final, record))) await undo(place, scratch);
    });
  } catch (error) {
    await locked(what, () => undo(place, scratch)).catch(() => undefined); // the first error says more
    throw error;
  }
}
