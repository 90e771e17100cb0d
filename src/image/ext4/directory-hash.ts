import type { ByteString } from "../tar/bytes.ts";

const k2 = 0x5a827999;
const k3 = 0x6ed9eba1;

/** The four words that a file system's hash seed is; of the seed's 16 bytes in the superblock. */
export type HashSeed = readonly [number, number, number, number];

const startValues: HashSeed = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];

/** Of the name at hand, here once: an image has ten thousands of names, each of which would leave its own to be collected. */
const state = new Uint32Array(4);
const words = new Uint32Array(8);

export function hashSeedOf(bytes: Buffer): HashSeed {
  return [bytes.readUInt32LE(0), bytes.readUInt32LE(4), bytes.readUInt32LE(8), bytes.readUInt32LE(12)];
}

/**
 * The hash by which indexed directories are sorted: the kernel's "half MD4" over the name's bytes, taken as unsigned
 * (fs/ext4/hash.c). The lowest bit is kept free, for marking that a hash goes on in the next block.
 */
export function directoryHash(name: ByteString, seed: HashSeed): number {
  // An all-zero seed means MD4's own start values.
  state.set(seed.some((word) => word !== 0) ? seed : startValues);
  for (let at = 0; at < name.length; at += 32) {
    fillWords(name, at);
    transform();
  }
  const hash = ((state[1] ?? 0) & ~1) >>> 0;
  return hash === 0xfffffffe ? 0xfffffffc : hash; // the highest value means the end
}

/** 32 bytes of the name as 8 words, filled up with a pattern made from the length that is left. */
function fillWords(name: ByteString, start: number): void {
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

/** Which word of the name each step takes, how far it rotates, and what is added: one row for each round. */
const order = [0, 1, 2, 3, 4, 5, 6, 7, 1, 3, 5, 7, 0, 2, 4, 6, 3, 7, 2, 6, 1, 5, 0, 4];
const shifts = [3, 7, 11, 19, 3, 5, 9, 13, 3, 9, 11, 15];
const constants = [0, k2, k3];

/** Three of MD4's rounds, cut to half their length, of `words` into `state`. */
function transform(): void {
  let [a = 0, b = 0, c = 0, d = 0] = state;
  for (let i = 0; i < 24; i++) {
    const round = i >> 3;
    const mixed = round === 0 ? d ^ (b & (c ^ d)) : round === 1 ? (b & c) + ((b ^ c) & d) : b ^ c ^ d;
    const word = (words[order[i] ?? 0] ?? 0) + (constants[round] ?? 0);
    const value = rotate((a + mixed + word) >>> 0, shifts[round * 4 + (i % 4)] ?? 0);
    a = d;
    d = c;
    c = b;
    b = value;
  }
  state[0] = (state[0] ?? 0) + a;
  state[1] = (state[1] ?? 0) + b;
  state[2] = (state[2] ?? 0) + c;
  state[3] = (state[3] ?? 0) + d;
}
