/**
 * A name as it stands on the disk: every character is one byte (0 to 255). Names need not be valid UTF-8, so they are
 * never decoded; strings of this kind are cheap keys of a Map and compare as the bytes do.
 */
export type ByteString = string;

export function fromBytes(bytes: Uint8Array): ByteString {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

export function toBytes(name: ByteString): Buffer {
  return Buffer.from(name, "latin1");
}

/** The ByteString of a text, as UTF-8. */
export function bytesOf(text: string): ByteString {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** A name fit for an error message: quoted, without control characters, not longer than a line or two. */
export function shown(name: ByteString): string {
  const text = toBytes(name).toString("utf8");
  const cut = text.length > 200 ? `${text.slice(0, 200)}...` : text;
  return `'${cut.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?")}'`;
}
