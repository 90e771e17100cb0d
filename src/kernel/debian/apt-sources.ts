import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseStanzas, wordsOf } from "./stanza.ts";

/** A place that the host's apt takes packages from. */
export interface AptSource {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
}

/** What the host's apt is configured to use, in the order of its files; empty where there is no apt. */
export function readAptSources(folder = "/etc/apt"): AptSource[] {
  const parts = join(folder, "sources.list.d");
  return [join(folder, "sources.list"), ...listFolder(parts).map((name) => join(parts, name))].flatMap(
    (path) => {
      const text = readText(path);
      if (path.endsWith(".sources")) return parseSources(text);
      return path.endsWith(".list") ? parseOneLineSources(text) : [];
    },
  );
}

/** The deb822 form (sources.list(5)). */
export function parseSources(text: string): AptSource[] {
  return parseStanzas(text)
    .filter((stanza) => wordsOf(stanza, "types").includes("deb"))
    .filter((stanza) => !/^(no|false|off|0|without|disable)$/i.test(stanza.get("enabled") ?? "yes"))
    .map((stanza) => ({
      uris: wordsOf(stanza, "uris"),
      suites: wordsOf(stanza, "suites"),
      components: wordsOf(stanza, "components"),
    }));
}

/** The one-line form: `deb [options] URI SUITE COMPONENT...`. */
export function parseOneLineSources(text: string): AptSource[] {
  return text.split("\n").flatMap((line) => {
    const parts = /^\s*deb\s+(?:\[[^\]]*\]\s*)?([^#]*)/.exec(line)?.[1];
    const [uri, suite, ...components] = (parts ?? "").split(/\s+/).filter((word) => word !== "");
    return uri === undefined || suite === undefined ? [] : [{ uris: [uri], suites: [suite], components }];
  });
}

function listFolder(path: string): string[] {
  try {
    return readdirSync(path).sort();
  } catch {
    return []; // a host without apt, or one that keeps everything in one file
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // absent, or not for this user's eyes: other sources may do
  }
}
