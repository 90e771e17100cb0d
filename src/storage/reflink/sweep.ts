/**
 * Which bytes of a disk are whose: a sweep over the places where extents begin and end. Between two of them, the same
 * files refer to every byte. Written for half a million extents: columns of numbers, no object per extent.
 */

/** Ranges of one owner, in any order, as they are read. */
export class Ranges {
  readonly starts: NumberColumn = new NumberColumn();
  readonly ends: NumberColumn = new NumberColumn();

  add(start: number, length: number): void {
    this.starts.push(start);
    this.ends.push(start + length);
  }
}

/** A list of numbers that grows. */
export class NumberColumn {
  #values = new Float64Array(16);
  #length = 0;

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const larger = new Float64Array(2 * this.#length);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#length++] = value;
  }

  get values(): Float64Array {
    return this.#values.subarray(0, this.#length);
  }
}

/** Ranges that do not overlap, ascending: from `starts[i]` up to `ends[i]`. */
export interface Union {
  readonly starts: Float64Array;
  readonly ends: Float64Array;
}

/** What the ranges cover together. How starts and ends belong together does not matter once both are sorted. */
export function union(all: readonly Ranges[]): Union {
  const starts = sorted(all.map(({ starts }) => starts.values));
  const ends = sorted(all.map(({ ends }) => ends.values));
  let kept = 0;
  let open = 0;
  for (let s = 0, e = 0; e < ends.length; ) {
    const start = starts[s];
    if (start !== undefined && start <= (ends[e] ?? 0)) {
      if (open === 0) starts[kept] = start; // never ahead of where it is read
      open += 1;
      s += 1;
    } else {
      open -= 1;
      const end = ends[e++] ?? 0;
      if (open === 0) ends[kept++] = end;
    }
  }
  return { starts: starts.subarray(0, kept), ends: ends.subarray(0, kept) };
}

function sorted(parts: readonly Float64Array[]): Float64Array {
  const result = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result.sort();
}

export function totalBytes({ starts, ends }: Union): number {
  let sum = 0;
  for (let index = 0; index < starts.length; index += 1) sum += (ends[index] ?? 0) - (starts[index] ?? 0);
  return sum;
}

/** The pieces that all ranges cut the space into; piece `i` lies between `edges[i]` and `edges[i + 1]`. */
export class Pieces {
  readonly #edges: Float64Array;

  constructor(unions: readonly Union[]) {
    const edges = new Set<number>(); // clones have most of theirs in common
    for (const { starts, ends } of unions) {
      for (const start of starts) edges.add(start);
      for (const end of ends) edges.add(end);
    }
    this.#edges = Float64Array.from(edges).sort();
  }

  get count(): number {
    return Math.max(0, this.#edges.length - 1);
  }

  bytesOf(piece: number): number {
    return (this.#edges[piece + 1] ?? 0) - (this.#edges[piece] ?? 0);
  }

  /** How many of the unions cover each piece, and the sum of their numbers: with a count of one, that is its owner. */
  cover(unions: readonly Union[]): { readonly count: Int32Array; readonly owner: Float64Array } {
    const count = new Int32Array(this.#edges.length);
    const owner = new Float64Array(this.#edges.length);
    for (const [number, { starts, ends }] of unions.entries()) {
      for (let index = 0; index < starts.length; index += 1) {
        const from = this.#indexOf(starts[index] ?? 0);
        const to = this.#indexOf(ends[index] ?? 0);
        count[from] = (count[from] ?? 0) + 1;
        count[to] = (count[to] ?? 0) - 1;
        owner[from] = (owner[from] ?? 0) + number;
        owner[to] = (owner[to] ?? 0) - number;
      }
    }
    for (let piece = 1; piece < count.length; piece += 1) {
      count[piece] = (count[piece] ?? 0) + (count[piece - 1] ?? 0);
      owner[piece] = (owner[piece] ?? 0) + (owner[piece - 1] ?? 0);
    }
    return { count, owner };
  }

  #indexOf(edge: number): number {
    let low = 0;
    let high = this.#edges.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#edges[middle] ?? 0) < edge) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
