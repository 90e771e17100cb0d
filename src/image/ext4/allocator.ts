import { EmberError } from "../../errors/ember-error.ts";
import { blocksPerGroup, hasSuperblock } from "./format.ts";

export interface Run {
  readonly start: number;
  readonly length: number;
  /** Nothing was ever written there: it reads as zeros. */
  readonly fresh: boolean;
}

/** Sizes of free runs are sorted into classes by their highest bit. */
const sizeClasses = 32;

/**
 * Hands out blocks, in ascending order where it can, from behind the superblock on, around the places where groups keep copies of
 * the superblock and the group descriptors. Blocks given back are handed out again.
 */
export class BlockAllocator {
  readonly #superBlocks: number;
  readonly #free: Run[][] = Array.from({ length: sizeClasses }, () => []);
  #next = 0;
  #freeBlocks = 0;
  /** The next place that is kept for a superblock copy, at or behind `#next`. */
  #keptStart = 0;

  /** `superBlocks`: how many blocks a superblock copy takes up with its group descriptors. */
  constructor(superBlocks: number) {
    this.#superBlocks = superBlocks;
    this.#passKept();
  }

  /** All blocks from here on are free, but for superblock copies. */
  get end(): number {
    return this.#next;
  }

  /** How many blocks before `end` are free. */
  get freeBlocks(): number {
    return this.#freeBlocks;
  }

  /** `count` blocks, in as few runs as it can be: perhaps such as were given back, whose old content is still there. */
  allocate(count: number): Run[] {
    if (count === 0) return [];
    const reused = this.#takeFree(count);
    return reused === undefined ? this.allocateFresh(count) : [reused];
  }

  /** `count` blocks that nothing was written to, in as few runs as it can be. */
  allocateFresh(count: number): Run[] {
    const runs: Run[] = [];
    for (let missing = count; missing > 0; ) {
      const length = Math.min(missing, this.#keptStart - this.#next);
      runs.push({ start: this.#next, length, fresh: true });
      this.#next += length;
      missing -= length;
      this.#passKept();
    }
    return runs;
  }

  /** Like `allocateFresh`, in one run; not more than lie between two superblock copies. Returns where it begins. */
  allocateFreshRun(count: number): number {
    if (count > blocksPerGroup - this.#superBlocks) {
      throw new EmberError("internal", `${count} blocks in one run are too many`);
    }
    while (this.#keptStart - this.#next < count) this.skipTo(this.#keptStart + this.#superBlocks);
    const start = this.#next;
    this.#next += count;
    this.#passKept();
    return start;
  }

  /** Leaves all blocks before `block` that are not used yet free, and goes on from there. */
  skipTo(block: number): void {
    while (this.#next < block) {
      const length = Math.min(block, this.#keptStart) - this.#next;
      if (length > 0) this.release({ start: this.#next, length, fresh: true });
      this.#next += length;
      this.#passKept();
    }
  }

  release(run: Run): void {
    this.#free[31 - Math.clz32(run.length)]?.push(run);
    this.#freeBlocks += run.length;
  }

  /** The free runs before `end`, in the order in which they lie on the disk. */
  freeRuns(): Run[] {
    return this.#free.flat().sort((a, b) => a.start - b.start);
  }

  /** A part of a run given back that is long enough: the last of its own size class, or any of a higher one. */
  #takeFree(count: number): Run | undefined {
    if (this.#freeBlocks < count) return undefined;
    for (let size = 31 - Math.clz32(count); size < sizeClasses; size++) {
      const runs = this.#free[size] ?? [];
      const run = runs.at(-1);
      if (run === undefined || run.length < count) continue;
      runs.pop();
      this.#freeBlocks -= run.length;
      if (run.length > count) {
        this.release({ start: run.start + count, length: run.length - count, fresh: run.fresh });
      }
      return { start: run.start, length: count, fresh: run.fresh };
    }
    return undefined;
  }

  /** Steps over a superblock copy that begins where the next block would be taken, and finds the next one. */
  #passKept(): void {
    if (this.#next === this.#keptStart) {
      this.#next += this.#superBlocks;
      let group = Math.floor(this.#keptStart / blocksPerGroup) + 1;
      while (!hasSuperblock(group)) group++;
      this.#keptStart = group * blocksPerGroup;
    }
  }
}
