import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readCorpus } from "./corpus.ts";
import { mutate } from "./mutate.ts";
import { faultOf, targets } from "./targets.ts";

// `make fuzz` goes on for as long as one likes; here each input of the corpus, and as many others by fixed seeds.

setDefaultTimeout(120_000);

/** A guard against hanging on a busy machine, no measurement. */
const limitMs = 20_000;
const rounds = 1500;

for (const [name, target] of Object.entries(targets)) {
  describe(`the reader of ${name}`, () => {
    const corpus = readCorpus(name);

    test.each([...corpus.keys()])("takes or refuses %s", async (input) => {
      expect(await faultOf(target, corpus.get(input) ?? Buffer.alloc(0), limitMs)).toBeUndefined();
    });

    test("takes what the corpus begins with", async () => {
      const good = [...corpus].filter(([input]) => input.startsWith("good-"));
      expect(good.length).toBeGreaterThan(2);
      if (name !== "manifest") for (const [, bytes] of good) await target.read(bytes);
    });

    test("takes or refuses what is made of these", async () => {
      const inputs = [...corpus.values()];
      for (let seed = 1; seed <= rounds; seed++) {
        const fault = await faultOf(target, mutate(inputs, seed, target.repair), limitMs);
        expect([seed, fault]).toEqual([seed, undefined]);
      }
    });
  });
}
