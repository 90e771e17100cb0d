/** Four tables, so that four bytes are taken in one step. */
const tables: readonly [Uint32Array, Uint32Array, Uint32Array, Uint32Array] = makeTables();

function makeTables(): [Uint32Array, Uint32Array, Uint32Array, Uint32Array] {
  const first = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
    first[byte] = value;
  }
  const following = (table: Uint32Array): Uint32Array =>
    table.map((value) => (first[value & 0xff] ?? 0) ^ (value >>> 8));
  const second = following(first);
  const third = following(second);
  return [first, second, third, following(third)];
}

/**
 * CRC-32C (Castagnoli) carried on from `crc`, without the inversions at the start and end that other uses of it have:
 * ext4 begins with all ones, and stores the remainder as it is.
 */
export function crc32c(crc: number, bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  const [t0, t1, t2, t3] = tables;
  let value = crc;
  let at = start;
  for (const last = end - 3; at < last; at += 4) {
    value ^=
      (bytes[at] ?? 0) |
      ((bytes[at + 1] ?? 0) << 8) |
      ((bytes[at + 2] ?? 0) << 16) |
      ((bytes[at + 3] ?? 0) << 24);
    value =
      (t3[value & 0xff] ?? 0) ^
      (t2[(value >>> 8) & 0xff] ?? 0) ^
      (t1[(value >>> 16) & 0xff] ?? 0) ^
      (t0[value >>> 24] ?? 0);
  }
  for (; at < end; at++) value = (t0[(value ^ (bytes[at] ?? 0)) & 0xff] ?? 0) ^ (value >>> 8);
  return value >>> 0;
}

/** Carries a checksum on over a little-endian number of 32 bits. */
export function crc32cNumber(crc: number, value: number): number {
  const [t0, t1, t2, t3] = tables;
  const mixed = crc ^ value;
  const low = (t3[mixed & 0xff] ?? 0) ^ (t2[(mixed >>> 8) & 0xff] ?? 0);
  return (low ^ (t1[(mixed >>> 16) & 0xff] ?? 0) ^ (t0[mixed >>> 24] ?? 0)) >>> 0;
}

/** Carries a checksum on over `count` bytes of zeros, of which blocks of names mostly consist: in some hundred steps, however many. */
export function crc32cZeros(crc: number, count: number): number {
  let value = crc;
  for (let power = 0, rest = count; rest > 0; power++, rest >>>= 1) {
    if ((rest & 1) === 1) value = applied(zerosMatrix(power), value);
  }
  return value;
}

/** What 2^index zero bytes make of a checksum: a matrix over GF(2), a column for each bit, as in zlib's crc32_combine. */
const zerosMatrices: Uint32Array[] = [];

function zerosMatrix(power: number): Uint32Array {
  const known = zerosMatrices[power];
  if (known !== undefined) return known;
  const half = power === 0 ? undefined : zerosMatrix(power - 1);
  const made = half?.map((column) => applied(half, column)) ?? oneZero();
  zerosMatrices[power] = made;
  return made;
}

function oneZero(): Uint32Array {
  const [t0] = tables;
  return Uint32Array.from({ length: 32 }, (_, bit) => {
    const value = 2 ** bit;
    return (t0[value & 0xff] ?? 0) ^ (value >>> 8);
  });
}

function applied(matrix: Uint32Array, value: number): number {
  let sum = 0;
  for (let bit = 0, rest = value; rest !== 0; bit++, rest >>>= 1) {
    if ((rest & 1) === 1) sum ^= matrix[bit] ?? 0;
  }
  return sum >>> 0;
}
