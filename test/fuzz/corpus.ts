import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Where the inputs of a target lie: good ones to begin with, and every one that a fault was found by. */
export function corpusFolder(target: string): string {
  return join(import.meta.dir, "corpus", target);
}

export function readCorpus(target: string): ReadonlyMap<string, Buffer> {
  const folder = corpusFolder(target);
  return new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));
}
