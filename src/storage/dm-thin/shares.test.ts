import { expect, test } from "bun:test";
import { FamilyShares } from "./shares.ts";

test("blocks are a family's own when none but its own refer to them, however many do", () => {
  const shares = new FamilyShares();
  shares.add("image", 0, 32);
  shares.add("vm", 1, 31); // shares all but the image's first block
  shares.add("vm", 40, 4); // written by the VM, and in its snapshot
  shares.add("vm", 40, 4);
  shares.add("vm", 42, 6); // overlaps, by the same family
  shares.add("fork", 47, 3); // shares the last of these
  expect(shares.size).toBe(6);
  expect(shares.exclusiveBlocks()).toEqual(
    new Map([
      ["image", 1],
      ["vm", 7],
      ["fork", 2],
    ]),
  );
});

test("nothing shared by nobody is nothing", () => {
  expect(new FamilyShares().exclusiveBlocks().size).toBe(0);
});
