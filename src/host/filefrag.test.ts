import { expect, test } from "bun:test";
import { codeOf } from "../../test/contract/storage/disks.ts";
import { extentFlag, extentParser } from "./filefrag.ts";

const printed = `Filesystem type is: 58465342
File size of vms/a.ext4 is 2097152 (4096 blocks of 512 bytes)
 ext:     logical_offset:        physical_offset: length:   expected: flags:
   0:        0..    2047:        192..      2239:   2048:             shared
   1:     4096..    6143:       4288..      6335:   2048:       2240: unwritten
   2:     6144..    6151:     109080..    109087:      8:       6336: last,encoded,shared,eof
vms/a.ext4: 3 extents found
File size of a file is 3 (1 block of 512 bytes) is 3 (8 block of 512 bytes)
 ext:     logical_offset:        physical_offset: length:   expected: flags:
   0:        0..    4095:          0..      4095:   4096:             last,not_aligned,inline,eof
a file is 3 (1 block of 512 bytes): 1 extent found
File size of empty is 0 (0 blocks of 512 bytes)
empty: 0 extents found
File size of vms/b.ext4 is 1024 (2 blocks of 512 bytes)
 ext:     logical_offset:        physical_offset: length:   expected: flags:
10000:        0..       1:          0..         1:      2:             last,unknown_loc,delalloc,eof
vms/b.ext4: 1 extent found
`;

test("what filefrag prints is read alike however it is cut into chunks", () => {
  const names = ["vms/a.ext4", "a file is 3 (1 block of 512 bytes)", "empty", "vms/b.ext4"];
  for (const chunkBytes of [1, 7, 100, 1_000_000]) {
    const files: number[] = [];
    const extents: number[][] = [];
    const write = extentParser(
      names,
      (file) => files.push(file),
      (...extent) => extents.push(extent),
    );
    const bytes = Buffer.from(printed);
    for (let at = 0; at < bytes.length; at += chunkBytes) write(bytes.subarray(at, at + chunkBytes));
    expect(files).toEqual([0, 1, 2, 3]);
    expect(extents).toEqual([
      [0, 192 * 512, 2048 * 512, extentFlag.shared],
      [0, 4288 * 512, 2048 * 512, 0],
      [0, 109_080 * 512, 4096, extentFlag.shared | extentFlag.encoded],
      [1, 0, 4096, extentFlag.nowhere],
      [3, 0, 2, extentFlag.nowhere],
    ]);
  }
});

test("what filefrag never prints is refused", async () => {
  const write = (text: string) => async () =>
    extentParser(
      ["a"],
      () => undefined,
      () => undefined,
    )(Buffer.from(text));
  expect(await codeOf(write("File size of b is 3 (1 blocks of 512 bytes)\n")())).toBe("tool-failed");
  expect(await codeOf(write("File size of a is 3 (1 blocks of 512 bytes)\n   0:   5..\n")())).toBe(
    "tool-failed",
  );
});
