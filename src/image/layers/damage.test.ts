import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { checkDisk, noCheck, scratchFolder } from "../ext4/testing/disks.ts";
import { writeLayers } from "../layers.ts";
import { tarOf, withChecksum } from "../tar/testing/tar-builder.ts";
import { Chance } from "./testing/chance.ts";
import { layerOf } from "./testing/layers.ts";
import { randomLayers } from "./testing/random-layers.ts";

setDefaultTimeout(120_000); // a guard against hanging on a busy machine, no measurement

/** Where a header's fields begin, and how long they are. */
const fields: readonly (readonly [at: number, length: number])[] = [
  [0, 8], // name
  [100, 8], // mode
  [108, 8], // owner
  [124, 12], // size
  [136, 12], // time
  [156, 1], // type
  [157, 8], // link target
  [329, 8], // device
  [345, 8], // prefix
];

/** Changes a field of some header and makes its checksum right again, so that the damage gets through. */
function damage(archive: Buffer, chance: Chance): void {
  if (chance.below(10) === 0) {
    archive[chance.below(archive.length)] = chance.below(256);
    return;
  }
  const headers: number[] = [];
  for (let at = 0; at < archive.length; at += 512) {
    if (archive.toString("latin1", at + 257, at + 262) === "ustar") headers.push(at);
  }
  const at = chance.of(headers, 0);
  const header = archive.subarray(at, at + 512);
  const [start, length] = chance.of(fields, [0, 8]);
  const way = chance.below(3);
  for (let index = start; index < start + length; index++) {
    if (way > 0 && chance.below(3) > 0) continue;
    const letter = chance.of([..."01234567xgLKSV"], "0").charCodeAt(0);
    header[index] = way === 2 ? chance.below(256) : start === 156 ? letter : 0x30 + chance.below(8);
  }
  withChecksum(header);
}

test.skipIf(noCheck)(
  "a damaged layer makes a clean disk or is refused, and leaves nothing then",
  async () => {
    const outcomes = { accepted: 0, refused: 0 };
    for (let seed = 1; seed <= 120; seed++) {
      using scratch = scratchFolder();
      const target = join(scratch.path, "disk");
      const chance = new Chance(seed);
      const archives = randomLayers(seed, 3, 30).map((items) => tarOf(...items));
      const victim = chance.of(archives, Buffer.alloc(512));
      for (let changes = 1 + chance.below(4); changes > 0; changes--) damage(victim, chance);
      try {
        await writeLayers({ layers: archives.map((archive) => layerOf(archive)), target });
        await checkDisk(target);
        outcomes.accepted++;
      } catch (error) {
        if (!(error instanceof EmberError) || error.code !== "image-invalid") throw error;
        expect(readdirSync(scratch.path)).toEqual([]);
        outcomes.refused++;
      }
    }
    expect(outcomes.accepted).toBeGreaterThan(10);
    expect(outcomes.refused).toBeGreaterThan(10);
  },
);
