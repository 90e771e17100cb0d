/** The buffers that were asked for last, up to a number of them. */
export class KeptBuffers {
  readonly #kept = new Map<number, Buffer>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = Math.max(1, Math.floor(most));
  }

  async get(key: number, read: () => Promise<Buffer>): Promise<Buffer> {
    const found = this.#kept.get(key);
    if (found !== undefined) {
      this.#kept.delete(key); // to the end: the first one is the one that goes
      this.#kept.set(key, found);
      return found;
    }
    const bytes = await read();
    this.#kept.set(key, bytes);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > this.#most && oldest !== undefined) this.#kept.delete(oldest);
    return bytes;
  }
}
