import { EmberError } from "../errors/ember-error.ts";
import { type Installation, newId } from "../installation.ts";
import { findImage, findImageById, type ImageRecord } from "../state/images.ts";
import type { OperationData } from "../state/journal.ts";
import { vmsOfImage } from "../state/vms.ts";
import type { TaskOptions } from "../types.ts";
import { leaseOf } from "./names.ts";
import { createImageOperation, deleteImageOperation } from "./operations.ts";
import type { ImageOrigin } from "./origins/origin.ts";

export interface MakeOptions {
  readonly name: string;
  readonly origin: ImageOrigin;
  /** An image that has the name already will do, however old. */
  readonly orExisting?: boolean;
  /** Held beside the image's own lease. */
  readonly leases?: readonly string[];
}

/** How long to wait for a command that makes the same image: a large one takes its time. */
const leaseTimeoutMs = 3600 * 1000;

/**
 * Makes an image under a name. Idempotent: one that is there with the same digest is returned as it is. One that
 * came from the same place is replaced; VMs made from it go on, and it stays under its digest until they are gone.
 * Post-condition: the image is there whole, or nothing has changed. Throws `image-exists` when the name belongs to an
 * image from elsewhere, `not-initialized`, and what the origin, the disk's writer and the storage throw.
 */
export async function makeImage(
  installation: Installation,
  options: MakeOptions,
  task: TaskOptions,
): Promise<ImageRecord> {
  installation.setting("installation-id"); // refused before anything is fetched
  return await installation.holding(
    [leaseOf(options.name), ...(options.leases ?? [])],
    `making image ${options.name}`,
    () => makeHeld(installation, options, task),
    { timeoutMs: leaseTimeoutMs, signal: task.signal },
  );
}

async function makeHeld(
  installation: Installation,
  { name, origin, orExisting }: MakeOptions,
  task: TaskOptions,
): Promise<ImageRecord> {
  const { db } = installation;
  const existing = findImage(db, name);
  if (existing !== undefined && orExisting === true) return existing;
  const identity = await origin.identify(task);
  if (existing !== undefined) {
    if (existing.digest === identity?.digest && existing.architecture === identity.architecture)
      return existing;
    if (existing.source !== origin.source) throw takenByAnother(existing);
  }
  const id = newId();
  const data: OperationData = {
    imageId: id,
    name,
    ...(existing === undefined ? {} : { replacedId: existing.id }),
  };
  const operation = createImageOperation({ id, name, origin, task });
  await installation.journal.execute(operation, [leaseOf(name)], installation, data, task.signal);
  if (existing !== undefined) await discardReplaced(installation, existing.id);
  const made = findImageById(db, id);
  if (made === undefined) throw new EmberError("internal", `image '${name}' is gone from the database`);
  return made;
}

/** The new image is made whatever becomes of the old one, which the next command can remove as well. */
async function discardReplaced(installation: Installation, id: string): Promise<void> {
  try {
    await removeUnused(installation, id);
  } catch (error) {
    installation.verbose(
      `the image that was replaced stays for now: ${error instanceof Error ? error.message : error}`,
    );
  }
}

/** Removes an image that no VM was made from. Returns whether it did. The caller holds its lease. */
export async function removeUnused(installation: Installation, id: string): Promise<boolean> {
  const image = findImageById(installation.db, id);
  if (image === undefined || vmsOfImage(installation.db, id).length > 0) return false;
  const data = { imageId: id, name: image.name };
  await installation.journal.execute(deleteImageOperation, [leaseOf(image.name)], installation, data);
  return true;
}

function takenByAnother(existing: ImageRecord): EmberError {
  return new EmberError(
    "image-exists",
    `an image named '${existing.name}' exists already, from '${existing.source}'`,
    { hint: `choose another with --name, or remove it with 'ember image delete ${existing.name}'` },
  );
}
