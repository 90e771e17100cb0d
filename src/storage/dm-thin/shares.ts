interface Edge {
  readonly block: number;
  readonly family: string;
  /** 1 where a range begins, -1 after it. */
  readonly step: 1 | -1;
}

/** Ranges of blocks that families refer to: how many blocks only one family does, however often. */
export class FamilyShares {
  readonly #edges: Edge[] = [];

  add(family: string, block: number, blocks: number): void {
    this.#edges.push({ block, family, step: 1 }, { block: block + blocks, family, step: -1 });
  }

  /** Ranges that have been added. */
  get size(): number {
    return this.#edges.length / 2;
  }

  /** A sweep over the edges in order: between two of them, the same ranges are open. */
  exclusiveBlocks(): Map<string, number> {
    const exclusive = new Map<string, number>();
    const open = new Map<string, number>();
    let from = 0;
    for (const { block, family, step } of this.#edges.sort((a, b) => a.block - b.block)) {
      const [only] = open.keys();
      if (open.size === 1 && only !== undefined) {
        exclusive.set(only, (exclusive.get(only) ?? 0) + block - from);
      }
      from = block;
      const depth = (open.get(family) ?? 0) + step;
      if (depth === 0) open.delete(family);
      else open.set(family, depth);
    }
    return exclusive;
  }
}
