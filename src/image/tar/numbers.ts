/**
 * A number field of a header: octal digits ended by a space or NUL, or, where the first bit is set, GNU's base-256.
 * An empty field is 0. Undefined when it is neither, or is no safe integer.
 */
export function parseNumber(block: Uint8Array, start: number, length: number): number | undefined {
  const first = block[start] ?? 0;
  if ((first & 0x80) !== 0) return parseBase256(block, start, length);
  const end = start + length;
  let at = start;
  while (at < end && block[at] === 0x20) at++;
  let value = 0;
  for (; at < end; at++) {
    const byte = block[at] ?? 0;
    if (byte === 0 || byte === 0x20) break;
    if (byte < 0x30 || byte > 0x37) return undefined;
    value = value * 8 + (byte - 0x30);
  }
  for (; at < end; at++) {
    const byte = block[at] ?? 0;
    if (byte !== 0 && byte !== 0x20) return undefined;
  }
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Two's complement, the highest byte first, with the first bit used up as the mark. */
function parseBase256(block: Uint8Array, start: number, length: number): number | undefined {
  const first = block[start] ?? 0;
  const negative = (first & 0x40) !== 0;
  let value = BigInt(first & 0x7f);
  if (negative) value -= 0x80n;
  for (let at = start + 1; at < start + length; at++) value = value * 256n + BigInt(block[at] ?? 0);
  const result = Number(value);
  return Number.isSafeInteger(result) ? result : undefined;
}

/** A decimal number of a PAX record, without a sign; undefined when it is not one. */
export function parseDecimal(text: string): number | undefined {
  if (!/^[0-9]{1,20}$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

export interface Moment {
  readonly seconds: number;
  /** 0 to 999,999,999, counted upwards from `seconds` also before 1970. */
  readonly nanoseconds: number;
}

/** A PAX time: seconds, perhaps negative, perhaps with a fraction of which nanoseconds are kept. */
export function parsePaxTime(text: string): Moment | undefined {
  const parts = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(text);
  if (parts === null) return undefined;
  const seconds = Number(parts[2]);
  const nanoseconds = Number((parts[3] ?? "").slice(0, 9).padEnd(9, "0"));
  if (parts[1] !== "-") return { seconds, nanoseconds };
  return nanoseconds === 0
    ? { seconds: 0 - seconds, nanoseconds: 0 }
    : { seconds: 0 - seconds - 1, nanoseconds: 1e9 - nanoseconds };
}
