import * as v from "valibot";
import { shown } from "../reference.ts";
import { invalidImage } from "./invalid.ts";

/** Reads hostile JSON by a schema. Throws `image-invalid` that names `what` and the place in it. */
export function parseJson<T>(bytes: Uint8Array, schema: v.GenericSchema<unknown, T>, what: string): T {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw invalidImage(`${what} is not JSON`, error);
  }
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const place = v.getDotPath(issue);
  throw invalidImage(
    `${what} is not as it should be: ${place === null ? "" : `${shown(place)}: `}${shown(issue.message)}`,
  );
}
