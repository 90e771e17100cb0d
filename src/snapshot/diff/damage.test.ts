import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { run } from "../../host/run.ts";
import { type BlockReader, checkRange } from "../../image/disk/block-reader.ts";
import { openExt4 } from "../../image/ext4/reader/disk.ts";
import { dice } from "../../image/ext4/testing/dice.ts";
import { noMounts, scratchFolder, withMounted } from "../../image/ext4/testing/disks.ts";
import { makeDisk } from "./testing/expected.ts";
import { shuffle } from "./testing/random-tree.ts";
import { walkBoth } from "./walk.ts";

setDefaultTimeout(300_000);
const mib = 1024 ** 2;
const rounds = 100;

/** A disk in memory that counts what is read of it. */
function memoryDisk(bytes: Buffer): BlockReader & { bytesRead: number } {
  return {
    name: "memory",
    sizeBytes: bytes.length,
    bytesRead: 0,
    async read(offset, length) {
      checkRange(this, offset, length);
      this.bytesRead += length;
      return bytes.subarray(offset, offset + length);
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** A disk with a bit of everything, in use while it was copied when it has a journal. */
async function sample(
  folder: string,
  options: readonly string[],
  roll: (below: number) => number,
): Promise<Buffer> {
  const path = join(folder, "disk");
  await makeDisk(path, 24 * mib, options);
  let bytes = Buffer.alloc(0);
  await withMounted(path, "rw", async (root) => {
    await shuffle(root, 60, roll);
    await run("sync", ["-f", root]);
    await shuffle(root, 5, roll);
    await run("sync", [root]);
    bytes = readFileSync(path);
  });
  return bytes;
}

/** Where something is written in a disk, apart from long runs of one byte: contents of the sample's files are those. */
function interestingPlaces(disk: Buffer): number[] {
  const places: number[] = [];
  for (let at = 0; at < disk.length; at += 4) {
    if (disk.readUInt32LE(at) !== 0 && disk.readUInt32LE(at) !== disk.readUInt32LE((at + 4) % disk.length))
      places.push(at);
  }
  return places;
}

const kinds: Readonly<Record<string, readonly string[]>> = {
  usual: ["-t", "ext4"],
  "inline data and large attributes": ["-t", "ext4", "-O", "inline_data,ea_inode", "-I", "512"],
  "no checksums": ["-t", "ext4", "-O", "^metadata_csum,^64bit", "-b", "1024"],
  "block maps": ["-t", "ext3", "-b", "1024"],
  "meta groups": ["-t", "ext4", "-O", "meta_bg,^resize_inode", "-g", "1024", "-b", "1024"],
};

describe.skipIf(noMounts)("a damaged disk", () => {
  for (const [index, [kind, options]] of Object.entries(kinds).entries()) {
    test(`is compared or refused, and costs little, whatever is broken: ${kind}`, async () => {
      using folder = scratchFolder();
      const roll = dice(5000 + index);
      const whole = await sample(folder.path, options, roll);
      const places = interestingPlaces(whole);
      const codes = new Map<string, number>();
      for (let round = 0; round < rounds; round += 1) {
        const broken = Buffer.from(whole);
        for (let number = 0; number <= roll(30); number += 1) {
          const at = (places[roll(places.length)] ?? 0) + roll(4);
          broken[at] = roll(2) === 0 ? (broken[at] ?? 0) ^ (1 << roll(8)) : roll(256);
        }
        const [before, after] = [memoryDisk(whole), memoryDisk(broken)];
        const code = await outcome(before, after);
        codes.set(code, (codes.get(code) ?? 0) + 1);
        // Each byte once, but for metadata that went out of memory.
        expect(before.bytesRead + after.bytesRead).toBeLessThan(20 * whole.length);
      }
      expect(codes.get("no error") ?? 0).toBeGreaterThan(0);
      expect(codes.get("io-failed") ?? 0).toBeGreaterThan(0);
      expect(
        [...codes.keys()].filter((code) => !["no error", "io-failed", "unsupported"].includes(code)),
      ).toEqual([]);
    });
  }
});

async function outcome(before: BlockReader, after: BlockReader): Promise<string> {
  try {
    const disks = { before: await openExt4(before), after: await openExt4(after) };
    for await (const change of walkBoth(disks)) expect(change.path).toStartWith("/");
    return "no error";
  } catch (error) {
    if (error instanceof EmberError) return error.code;
    throw error;
  }
}
