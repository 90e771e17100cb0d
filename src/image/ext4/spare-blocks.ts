import { blockBytes } from "./format.ts";

const mostSpare = 64;
const spare: Buffer[] = [];

/** A block of zeros: memory that was given back where there is some, as an image has ten thousands of folders. */
export function takeBlock(): Buffer {
  return spare.pop()?.fill(0) ?? Buffer.alloc(blockBytes);
}

/** For a block that nobody has need of any more. */
export function giveBlockBack(block: Buffer): void {
  if (spare.length < mostSpare) spare.push(block);
}
