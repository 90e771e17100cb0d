import { EmberError } from "../errors/ember-error.ts";
import type { Database } from "../state/database.ts";
import { findImage, type ImageRecord } from "../state/images.ts";
import { candidateNames, canonicalName, parseReference, shown } from "./reference.ts";

/** The image that a user means by a name or a reference; a name that was given counts before a reference. */
export function lookUpImage(db: Database, wanted: string): ImageRecord | undefined {
  for (const name of candidateNames(wanted)) {
    const image = findImage(db, name);
    if (image !== undefined) return image;
  }
  return undefined;
}

/** Throws `image-not-found`. */
export function getImage(db: Database, wanted: string): ImageRecord {
  const image = lookUpImage(db, wanted);
  if (image !== undefined) return image;
  throw new EmberError("image-not-found", `there is no image '${shown(wanted)}'`, {
    hint: "'ember image list' shows what there is",
  });
}

/** What others may not change while this image is made, replaced or removed. */
export function leaseOf(name: string): string {
  return `image:${name}`;
}

/**
 * The name that an image goes by when another has taken its place, for as long as VMs made from it need its disk.
 * No reference that a user writes has this form, since a tag beside a digest is left out of the canonical name.
 */
export function retiredName(
  image: Pick<ImageRecord, "name" | "digest" | "id">,
  taken: (name: string) => boolean,
): string {
  const name = `${image.name}@${image.digest}`;
  return taken(name) ? `${name}-${image.id}` : name;
}

/** Whether an image has been replaced. */
export function isRetired(name: string): boolean {
  if (!name.includes("@")) return false;
  try {
    return canonicalName(parseReference(name)) !== name;
  } catch (error) {
    if (error instanceof EmberError) return true; // with an id at its end
    throw error;
  }
}
