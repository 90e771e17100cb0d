import type { LayerSource, OpenedLayer } from "./source.ts";

/**
 * Layers one after the other, the next of which is opened while the one before is read: what opens it, and begins to decompress
 * it, are many small steps that would all be waited for.
 */
export class LayersAhead implements Disposable {
  readonly #sources: Iterator<LayerSource>;
  readonly #open: (source: LayerSource) => Promise<OpenedLayer>;
  #next: Promise<OpenedLayer> | undefined;

  constructor(sources: Iterable<LayerSource>, open: (source: LayerSource) => Promise<OpenedLayer>) {
    this.#sources = sources[Symbol.iterator]();
    this.#open = open;
    this.#begin();
  }

  /** The next layer, which is the caller's to close; undefined after the last. Throws what opening it throws. */
  async next(): Promise<OpenedLayer | undefined> {
    const opened = await this.#next;
    this.#begin();
    return opened;
  }

  /** Whoever opens a layer may wait for it for long, so its end is not waited for: it is closed as soon as it is open. */
  [Symbol.dispose](): void {
    this.#next?.then((opened) => opened.close()).catch(() => undefined); // what it was about has failed already
    this.#next = undefined;
  }

  #begin(): void {
    const source = this.#sources.next();
    this.#next = source.done === true ? undefined : this.#open(source.value);
    this.#next?.catch(() => undefined); // thrown to whoever asks for it
  }
}
