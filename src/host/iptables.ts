import { readFileSync } from "node:fs";
import { run } from "./run.ts";
import { lookUpTool } from "./tools.ts";

/** The two implementations of iptables; a host may have rules in both, and both then apply. */
export type IptablesVariant = "nft" | "legacy";

const limitMs = 30_000;

/** Tables of the legacy implementation that the kernel has loaded. */
export function hasLegacyFilter(): boolean {
  try {
    return readFileSync("/proc/net/ip_tables_names", "utf8").split("\n").includes("filter");
  } catch {
    return false; // a kernel without it
  }
}

export interface FilterTable {
  /** Policy of each built-in chain, "-" of the others. */
  readonly policies: ReadonlyMap<string, string>;
  /** Rules of each chain in order, as iptables-save(8) writes them after "-A CHAIN ". */
  readonly rules: ReadonlyMap<string, readonly string[]>;
}

/** The IPv4 filter table; undefined when the host has no iptables. Throws `tool-failed`. */
export async function readFilter(variant: IptablesVariant): Promise<FilterTable | undefined> {
  const tool = toolOf(variant, "-save");
  if (tool === undefined) return undefined;
  const { stdout } = await run(tool, ["-t", "filter"], { timeoutMs: limitMs });
  return parseFilter(stdout);
}

export function parseFilter(text: string): FilterTable {
  const policies = new Map<string, string>();
  const rules = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const chain = /^:(\S+) (\S+)/.exec(line);
    if (chain?.[1] !== undefined) policies.set(chain[1], chain[2] ?? "-");
    const rule = /^-A (\S+) (.*)$/.exec(line);
    if (rule?.[1] !== undefined) rules.set(rule[1], [...(rules.get(rule[1]) ?? []), rule[2] ?? ""]);
  }
  return { policies, rules };
}

/** Changes the filter table in one step: lines such as "-I FORWARD 1 ..." and "-D INPUT ...". Throws `tool-failed`. */
export async function changeFilter(variant: IptablesVariant, lines: readonly string[]): Promise<void> {
  const tool = toolOf(variant, "-restore");
  if (tool === undefined || lines.length === 0) return;
  const input = `*filter\n${lines.join("\n")}\nCOMMIT\n`;
  await run(tool, ["--noflush", "--wait", "5"], { input, timeoutMs: limitMs });
}

/** Distributions that offer only one of the two call it just iptables. */
function toolOf(variant: IptablesVariant, suffix: string): string | undefined {
  return [`iptables-${variant}${suffix}`, `iptables${suffix}`].find((tool) => lookUpTool(tool) !== undefined);
}
