import type { ByteString } from "../tar/bytes.ts";

const k2 = 0x5a827999;
const k3 = 0x6ed9eba1;

/** The four words that a file system's hash seed is; of the seed's 16 bytes in the superblock. */
export type HashSeed = readonly [number, number, number, number];

export function hashSeedOf(bytes: Buffer): HashSeed {
  return [bytes.readUInt32LE(0), bytes.readUInt32LE(4), bytes.readUInt32LE(8), bytes.readUInt32LE(12)];
}

/**
 * The hash by which indexed directories are sorted: the kernel's "half MD4" over the name's bytes, taken as unsigned
 * (fs/ext4/hash.c). The lowest bit is kept free, for marking that a hash goes on in the next block.
 */
export function directoryHash(name: ByteString, seed: HashSeed): number {
  // An all-zero seed means MD4's own start values.
  const state = seed.some((word) => word !== 0)
    ? Uint32Array.from(seed)
    : Uint32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476);
  const words = new Uint32Array(8);
  for (let at = 0; at < name.length; at += 32) {
    fillWords(name, at, words);
    transform(state, words);
  }
  const hash = ((state[1] ?? 0) & ~1) >>> 0;
  return hash === 0xfffffffe ? 0xfffffffc : hash; // the highest value means the end
}

/** 32 bytes of the name as 8 words, filled up with a pattern made from the length that is left. */
function fillWords(name: ByteString, start: number, words: Uint32Array): void {
  const left = name.length - start;
  const one = (left & 0xff) | ((left & 0xff) << 8);
  const padding = (one | (one << 16)) >>> 0;
  const length = Math.min(left, 32);
  let word = padding;
  let index = 0;
  for (let at = 0; at < length; at++) {
    word = (name.charCodeAt(start + at) + ((word << 8) >>> 0)) >>> 0;
    if (at % 4 === 3) {
      words[index++] = word;
      word = padding;
    }
  }
  if (index < 8) words[index++] = word;
  while (index < 8) words[index++] = padding;
}

function rotate(value: number, by: number): number {
  return ((value << by) | (value >>> (32 - by))) >>> 0;
}

const order2 = [1, 3, 5, 7, 0, 2, 4, 6];
const order3 = [3, 7, 2, 6, 1, 5, 0, 4];

/** Three of MD4's rounds, cut to half their length. */
function transform(state: Uint32Array, words: Uint32Array): void {
  let [a, b, c, d] = [state[0] ?? 0, state[1] ?? 0, state[2] ?? 0, state[3] ?? 0];
  const step = (mixed: number, word: number, by: number): void => {
    const value = rotate((a + mixed + word) >>> 0, by);
    [a, b, c, d] = [d, value, b, c];
  };
  const word = (at: number): number => words[at] ?? 0;
  for (let i = 0; i < 8; i++) step(d ^ (b & (c ^ d)), word(i), [3, 7, 11, 19][i % 4] ?? 0);
  for (let i = 0; i < 8; i++) {
    step((b & c) + ((b ^ c) & d), (word(order2[i] ?? 0) + k2) >>> 0, [3, 5, 9, 13][i % 4] ?? 0);
  }
  for (let i = 0; i < 8; i++) {
    step(b ^ c ^ d, (word(order3[i] ?? 0) + k3) >>> 0, [3, 9, 11, 15][i % 4] ?? 0);
  }
  state[0] = (state[0] ?? 0) + a;
  state[1] = (state[1] ?? 0) + b;
  state[2] = (state[2] ?? 0) + c;
  state[3] = (state[3] ?? 0) + d;
}
