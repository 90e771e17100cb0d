import { randomInt } from "node:crypto";
import type { ByteString } from "../tar/bytes.ts";
import { Records } from "./records.ts";
import { Texts } from "./texts.ts";

/** Number of a directory entry in its table; 0 is none. */
export type NameId = number;

/** A folder's names, in the order in which they came. */
export interface NameList {
  /** Tells folders apart. */
  readonly id: number;
  first: NameId;
  last: NameId;
}

const field = {
  inode: 0,
  layer: 1,
  folder: 2,
  text: 3,
  hash: 4,
  /** The next name of the same bucket. */
  chain: 5,
  next: 6,
  previous: 7,
} as const;
const firstBuckets = 1024;

/** All names of a tree: lists of them by folder, and a hash table of all by folder and text. */
export class NameTable {
  readonly #records = new Records();
  readonly #texts = new Texts();
  /** Whoever makes an image does not know which names share a bucket. */
  readonly #seed = randomInt(2 ** 32);
  /** The first name of each bucket; `chain` leads to the others. */
  #buckets = new Uint32Array(firstBuckets);
  #count = 0;

  constructor() {
    this.#records.add(); // 0 is none
  }

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  find(list: NameList, text: ByteString): NameId {
    const hash = this.#hash(list.id, text);
    let name = this.#buckets[hash % this.#buckets.length] ?? 0;
    while (name !== 0 && !this.#is(name, hash, list, text)) name = this.#records.get(name, field.chain);
    return name;
  }

  /** Adds a name, which the list must not have, at its end. */
  add(list: NameList, text: ByteString, inode: number, layer: number): NameId {
    if (this.#count === this.#buckets.length) this.#widen();
    const records = this.#records;
    const name = records.add();
    records.set(name, field.inode, inode);
    records.set(name, field.layer, layer);
    records.set(name, field.folder, list.id);
    records.set(name, field.text, this.#texts.put(text));
    records.set(name, field.hash, this.#hash(list.id, text));
    records.set(name, field.previous, list.last);
    if (list.last === 0) list.first = name;
    else records.set(list.last, field.next, name);
    list.last = name;
    this.#enter(name);
    this.#count++;
    return name;
  }

  /** Removes a name of that list. */
  remove(list: NameList, name: NameId): void {
    const records = this.#records;
    const next = records.get(name, field.next);
    const previous = records.get(name, field.previous);
    if (previous === 0) list.first = next;
    else records.set(previous, field.next, next);
    if (next === 0) list.last = previous;
    else records.set(next, field.previous, previous);
    this.#leave(name);
    this.#count--;
  }

  next(name: NameId): NameId {
    return this.#records.get(name, field.next);
  }

  text(name: NameId): ByteString {
    return this.#texts.get(this.#records.get(name, field.text));
  }

  inode(name: NameId): number {
    return this.#records.get(name, field.inode);
  }

  layer(name: NameId): number {
    return this.#records.get(name, field.layer);
  }

  setLayer(name: NameId, layer: number): void {
    this.#records.set(name, field.layer, layer);
  }

  #is(name: NameId, hash: number, list: NameList, text: ByteString): boolean {
    const records = this.#records;
    return (
      records.get(name, field.hash) === hash &&
      records.get(name, field.folder) === list.id &&
      this.#texts.is(records.get(name, field.text), text)
    );
  }

  /** MurmurHash3's mixing, a character at a time. */
  #hash(folder: number, text: ByteString): number {
    let hash = mix(this.#seed, folder);
    for (let at = 0; at < text.length; at++) hash = mix(hash, text.charCodeAt(at));
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    return (hash ^ (hash >>> 13)) >>> 0;
  }

  #bucketOf(name: NameId): number {
    return this.#records.get(name, field.hash) % this.#buckets.length;
  }

  #enter(name: NameId): void {
    const bucket = this.#bucketOf(name);
    this.#records.set(name, field.chain, this.#buckets[bucket] ?? 0);
    this.#buckets[bucket] = name;
  }

  #leave(name: NameId): void {
    const records = this.#records;
    const bucket = this.#bucketOf(name);
    const after = records.get(name, field.chain);
    let at = this.#buckets[bucket] ?? 0;
    if (at === name) {
      this.#buckets[bucket] = after;
      return;
    }
    while (records.get(at, field.chain) !== name) at = records.get(at, field.chain);
    records.set(at, field.chain, after);
  }

  #widen(): void {
    const old = this.#buckets;
    this.#buckets = new Uint32Array(old.length * 2);
    for (const head of old)
      for (let name = head; name !== 0; ) {
        const after = this.#records.get(name, field.chain);
        this.#enter(name);
        name = after;
      }
  }
}

function mix(hash: number, value: number): number {
  const scrambled = Math.imul(value, 0xcc9e2d51);
  const mixed = hash ^ Math.imul((scrambled << 15) | (scrambled >>> 17), 0x1b873593);
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}
