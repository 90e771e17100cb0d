import { Chance } from "../../src/image/layers/testing/chance.ts";

/** Numbers that break what counts with them. */
const edges = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0xffffffff];
const words = [
  "99999999999999999999",
  "-1",
  "1e400",
  "\0",
  "../",
  "null",
  "{}",
  "[]",
  '"',
  "\u001b[2J",
  "7777777",
];

/** Another input, made of those; the same for the same seed. Every other one is repaired, so that damage gets through. */
export function mutate(
  corpus: readonly Uint8Array[],
  seed: number,
  repair: (bytes: Buffer) => void = () => undefined,
): Buffer {
  const chance = new Chance(seed);
  let bytes: Buffer = Buffer.from(chance.of(corpus, new Uint8Array()));
  for (let changes = 1 + chance.below(6); changes > 0; changes--) bytes = change(bytes, corpus, chance);
  if (seed % 2 === 0) repair(bytes);
  return bytes;
}

function change(bytes: Buffer, corpus: readonly Uint8Array[], chance: Chance): Buffer {
  const at = chance.below(bytes.length + 1);
  const length = chance.below(Math.min(600, bytes.length - at + 1));
  switch (chance.below(7)) {
    case 0: // one byte
      if (at < bytes.length) bytes[at] = chance.below(256);
      return bytes;
    case 1: // a number at the edge
      if (at + 4 <= bytes.length) bytes.writeUInt32LE(chance.of(edges, 0), at);
      return bytes;
    case 2: // cut short
      return bytes.subarray(0, at);
    case 3: // a piece gone
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    case 4: // a piece twice
      return Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
    case 5: // a piece of another
      return Buffer.concat([
        bytes.subarray(0, at),
        piece(chance.of(corpus, bytes), chance),
        bytes.subarray(at),
      ]);
    default: // a word
      return Buffer.concat([
        bytes.subarray(0, at),
        Buffer.from(chance.of(words, "")),
        bytes.subarray(at + length),
      ]);
  }
}

function piece(bytes: Uint8Array, chance: Chance): Uint8Array {
  const at = chance.below(bytes.length);
  return bytes.subarray(at, at + chance.below(1200));
}
