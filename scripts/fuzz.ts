// fuzz.ts TARGET [SECONDS [SEED]]: feeds a reader with what strangers might send until the time is up. An input that it does
// something else with than taking or refusing it is added to the corpus, and the seed told.
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { corpusFolder, readCorpus } from "../test/fuzz/corpus.ts";
import { mutate } from "../test/fuzz/mutate.ts";
import { faultOf, targets } from "../test/fuzz/targets.ts";

const [name = "", seconds = "60", first = String(Date.now() % 1e9)] = process.argv.slice(2);
const target = targets[name];
if (target === undefined) {
  console.error(`usage: fuzz.ts ${Object.keys(targets).join("|")} [SECONDS [SEED]]`);
  process.exit(2);
}
const corpus = [...readCorpus(name).values()];
const deadline = performance.now() + Number(seconds) * 1000;
let seed = Number(first);
let found = 0;
for (; performance.now() < deadline; seed++) {
  const input = mutate(corpus, seed, target.repair);
  const fault = await faultOf(target, input, 5000);
  if (fault === undefined) continue;
  found++;
  const path = join(
    corpusFolder(name),
    `found-${createHash("sha256").update(input).digest("hex").slice(0, 12)}`,
  );
  writeFileSync(path, input);
  console.log(`seed ${seed}: ${fault}\n  kept as ${path}`);
}
console.log(`${name}: seeds ${first} to ${seed - 1}, ${found} faults`);
process.exit(found === 0 ? 0 : 1);
