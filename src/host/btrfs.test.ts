import { expect, test } from "bun:test";
import { DiskExtents, extentTreeParser } from "./btrfs.ts";

test("the extents of a btrfs are read from the tree that it dumps, and found by any part of them", () => {
  const starts: number[] = [];
  const lengths: number[] = [];
  const write = extentTreeParser((start, length) => {
    starts.push(start);
    lengths.push(length);
  });
  write(
    Buffer.from(
      "leaf 30670848 items 79 free space 8561 generation 7 owner EXTENT_TREE\n" +
        "\titem 0 key (13631488 EXTENT_ITEM 4096) itemoff 16201 itemsize 82\n" +
        "\t\trefs 2 gen 7 flags DATA\n\t\textent data backref root FS_TREE objectid 257 offset 0 count 1\n" +
        "\titem 1 key (13631488 BLOCK_GROUP_ITEM 8388608) itemoff 16177 itemsize 24\n" +
        "\titem 2 key (13639680 EXTENT_ITEM 1048576) itemoff 16095 itemsize 82\n",
    ),
  );
  const extents = new DiskExtents(starts, lengths);
  const within = (start: number, length: number): number[] => {
    const found: number[] = [];
    expect(extents.within(start, length, (extent) => found.push(extent))).toBe(found.length > 0);
    return found;
  };
  expect(within(0, 4096)).toEqual([]);
  expect(within(13_631_488, 1)).toEqual([13_631_488]);
  expect(within(13_635_584, 4096)).toEqual([]);
  expect(within(13_631_488, 2 ** 24)).toEqual([13_631_488, 13_639_680]);
  expect(within(13_639_680 + 500_000, 4096)).toEqual([13_639_680]);
  expect(within(2 ** 40, 4096)).toEqual([]);
  expect(new DiskExtents([], []).within(0, 4096, () => undefined)).toBe(false);
});
