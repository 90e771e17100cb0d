import { EmberError } from "../../errors/ember-error.ts";

/** The 16 bytes of a UUID. Throws `internal`: UUIDs are made by ember itself. */
export function parseUuid(text: string): Buffer {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) {
    throw new EmberError("internal", `'${text}' is not a UUID`);
  }
  return Buffer.from(text.replaceAll("-", ""), "hex");
}

/** A UUID (version 8: made by a rule of our own) of the first 16 bytes of a hash. */
export function uuidOf(hash: Buffer): string {
  const bytes = Buffer.from(hash.subarray(0, 16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
