import { EmberError } from "../../errors/ember-error.ts";

/** The `image-invalid` error of this folder; `message` names the entry. */
export function invalidArchive(message: string, cause?: unknown): EmberError {
  return new EmberError("image-invalid", message, {
    hint: "the archive is damaged, or was not made as a root file system: fetch it or build it again",
    ...(cause === undefined ? {} : { cause }),
  });
}
