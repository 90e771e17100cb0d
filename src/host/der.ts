/** Distinguished encoding (ITU-T X.690) of what certificates are made of. */

function element(tag: number, content: Uint8Array): Buffer {
  const length = content.length < 128 ? [content.length] : longLength(content.length);
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

function longLength(length: number): number[] {
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return [0x80 + bytes.length, ...bytes];
}

export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return element(0x30, Buffer.concat(parts));
}

export function set(...parts: readonly Uint8Array[]): Buffer {
  return element(0x31, Buffer.concat(parts));
}

/** A positive number: `bytes` from the highest. */
export function integer(bytes: Uint8Array): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = first === -1 ? Buffer.from([0]) : bytes.subarray(first);
  const signed = (digits[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), digits]) : digits;
  return element(0x02, signed);
}

/** "1.2.840.10045.4.3.2" */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = rest.flatMap((part) => {
    const digits = [part % 128];
    for (let left = Math.floor(part / 128); left > 0; left = Math.floor(left / 128))
      digits.unshift(128 + (left % 128));
    return digits;
  });
  return element(0x06, Buffer.from([first * 40 + second, ...bytes]));
}

export function utf8(text: string): Buffer {
  return element(0x0c, Buffer.from(text));
}

export function octets(content: Uint8Array): Buffer {
  return element(0x04, content);
}

export function boolean(value: boolean): Buffer {
  return element(0x01, Buffer.from([value ? 0xff : 0]));
}

/** `unused`: how many bits of the last byte do not count. */
export function bits(content: Uint8Array, unused = 0): Buffer {
  return element(0x03, Buffer.concat([Buffer.from([unused]), content]));
}

/** In place of an element's own tag where a structure numbers its parts; `number` from 0. */
export function numbered(number: number, content: Uint8Array): Buffer {
  return element(0xa0 + number, content);
}

/** To the second; up to 2049 with two digits of the year (RFC 5280 section 4.1.2.5). */
export function time(at: Date): Buffer {
  const digits = at
    .toISOString()
    .replace(/\.\d+Z$/, "Z")
    .replace(/[-:T]/g, "");
  const isLate = at.getUTCFullYear() >= 2050;
  return element(isLate ? 0x18 : 0x17, Buffer.from(isLate ? digits : digits.slice(2)));
}
