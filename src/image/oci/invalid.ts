import { EmberError } from "../../errors/ember-error.ts";

/** The `image-invalid` error of this folder; `message` says what of the image is wrong. */
export function invalidImage(message: string, cause?: unknown): EmberError {
  return new EmberError("image-invalid", message, {
    hint: "the image is damaged, or not one that ember can run: fetch or build it again",
    ...(cause === undefined ? {} : { cause }),
  });
}
