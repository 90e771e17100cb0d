import { EmberError } from "../../errors/ember-error.ts";
import { formatSize } from "../../host/sizes.ts";

/** What a hostile image may cost at the most. */
export interface LayerLimits {
  /** Bytes of all layers, decompressed. */
  readonly maxBytes: number;
  /** Entries of all layers, and names in the image. */
  readonly maxEntries: number;
  /** Memory for names, link targets, attributes and maps of sparse files. */
  readonly maxTreeBytes: number;
}

export const defaultLimits: LayerLimits = {
  maxBytes: 64 * 2 ** 30,
  maxEntries: 4_000_000,
  maxTreeBytes: 512 * 2 ** 20,
};

/** Adds up what the layers cost. Every method throws `image-invalid`, naming the limit, when it is too much. */
export class LayerBudget {
  readonly #limits: LayerLimits;
  #bytes = 0;
  #entries = 0;
  #treeBytes = 0;

  constructor(limits: LayerLimits) {
    this.#limits = limits;
  }

  addBytes(count: number): void {
    this.#bytes += count;
    if (this.#bytes > this.#limits.maxBytes) {
      throw exceeded(`the layers unpack to more than ${formatSize(this.#limits.maxBytes)}`, "maxBytes");
    }
  }

  /** `names`: how many names the image has by now, made without an entry of their own included. */
  addEntry(treeBytes: number, names: number): void {
    this.#treeBytes += treeBytes;
    if (++this.#entries > this.#limits.maxEntries || names > this.#limits.maxEntries) {
      throw exceeded(`the layers have more than ${this.#limits.maxEntries} entries`, "maxEntries");
    }
    if (this.#treeBytes > this.#limits.maxTreeBytes) {
      const most = formatSize(this.#limits.maxTreeBytes);
      throw exceeded(`the layers' names and attributes take more than ${most}`, "maxTreeBytes");
    }
  }

  get entries(): number {
    return this.#entries;
  }
}

function exceeded(message: string, limit: keyof LayerLimits): EmberError {
  return new EmberError("image-invalid", `${message} (limit ${limit})`, {
    hint: "this looks like an image made to fill the host; use another",
  });
}
