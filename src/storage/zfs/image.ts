import { lstatSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { run } from "../../host/run.ts";
import { findTool } from "../../host/tools.ts";
import { poolFull } from "../../host/zfs.ts";
import { imageStagingPath } from "../disk-files.ts";
import { scratchName } from "../scratch.ts";
import type { ImageDisk } from "../storage.ts";
import { waitForDevice } from "./device.ts";
import { baseName, imageName, volumeBlockBytes, volumeBytes } from "./names.ts";
import {
  change,
  changeWhenQuiet,
  checkRoom,
  diskMark,
  look,
  type Place,
  roomNames,
  setActive,
  underway,
} from "./place.ts";

/** See Storage.importImage. */
export async function importImage(place: Place, image: ImageDisk, path: string): Promise<void> {
  const name = imageName(place.names, image);
  const base = baseName(place.names, image);
  if (dirname(resolve(path)) !== place.layout.staging) {
    throw new EmberError("io-failed", `'${path}' does not lie in the storage's staging folder`);
  }
  const facts = lstatSync(path, { throwIfNoEntry: false });
  const rows = await look(place, [...roomNames(place), name, base]);
  if (facts === undefined) {
    if (rows.has(base)) return; // imported before
    throw new EmberError("file-not-found", `there is no disk to import at '${path}'`);
  }
  if (!facts.isFile() || facts.size === 0 || facts.size % 512 !== 0) {
    throw new EmberError(
      "image-invalid",
      `'${path}' is not a disk: a whole number of 512-byte sectors is needed`,
    );
  }
  if (!rows.has(base)) {
    checkRoom(place, rows);
    if (rows.has(name)) await changeWhenQuiet(place, ["destroy", "-r", name], ["missing"]);
    await underway(place, image.imageId, () => makeImage(place, image, path, facts.size));
  }
  await rm(path, { force: true });
}

/** Made under another name: an image is there with its snapshot, or not at all. */
async function makeImage(place: Place, image: ImageDisk, path: string, sizeBytes: number): Promise<void> {
  const volume = `${place.names.scratch}/import.${scratchName("new", image.imageId)}`;
  const size = String(volumeBytes(sizeBytes));
  const mark = diskMark(image.imageId, sizeBytes);
  const options = ["-b", String(volumeBlockBytes), "-o", "volmode=dev", "-o", mark, "-V", size];
  try {
    await change(place, ["create", "-s", ...options, volume]);
    await fill(place, path, await waitForDevice(volume));
    await setActive(place, volume, false);
    await change(place, ["snapshot", `${volume}@base`]);
    await changeWhenQuiet(place, ["rename", volume, imageName(place.names, image)], ["exists"]);
  } finally {
    await changeWhenQuiet(place, ["destroy", "-r", volume], ["missing"]);
  }
}

/** Blocks of zeros are left out: a new volume reads as zeros anyway. */
async function fill(place: Place, path: string, device: string): Promise<void> {
  try {
    const copy = [`if=${path}`, `of=${device}`, "bs=1M", "conv=sparse,fsync,nocreat", "status=none"];
    const locked = ["--shared", "--no-fork", place.layout.staging, findTool("dd"), ...copy];
    await run("flock", locked, { timeoutMs: 3_600_000, contained: true });
  } catch (error) {
    // A volume without room answers with an error of its device as often as with "no space left".
    const full = error instanceof EmberError && /No space left|Input\/output error/.test(error.message);
    throw full
      ? poolFull(place.names.pool, `pool '${place.names.pool}' has no room for the image: ${error.message}`)
      : error;
  }
}

/** See Storage.removeImage. */
export async function removeImage(place: Place, image: ImageDisk): Promise<void> {
  const name = imageName(place.names, image);
  await rm(imageStagingPath(place.layout, image), { force: true });
  const { problem } = await changeWhenQuiet(place, ["destroy", "-r", name], ["missing", "dependants"]);
  if (problem !== "dependants") return;
  throw new EmberError("has-dependants", `VMs were made from image '${image.imageId}' and need it`, {
    hint: "delete them first",
  });
}
