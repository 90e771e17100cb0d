import { lastLines, plainText } from "./plain-text.ts";

/** How far a guest came whose agent never answered. */
export type BootStage =
  /** Nothing at all was printed: the kernel never ran. */
  | "no-output"
  /** The kernel gave up. */
  | "panic"
  /** The kernel gave up because it found nothing to run. */
  | "no-root"
  /** ember-guest ran and said why it could not go on. */
  | "agent-failed"
  /** The kernel ran, and perhaps ember-guest, but the agent did not answer. */
  | "no-agent";

export interface BootFailure {
  readonly stage: BootStage;
  /** One line for an error's message: what happened, and what was printed last. At most about 800 characters. */
  readonly detail: string;
}

/** What counts is at the end, since a kernel that panics ends the machine; the rest may be of any length. */
const lookedAtCharacters = 256 * 1024;

/** Says from a console's log why a boot failed. The text is the guest's, so it may be anything. */
export function explainBoot(consoleText: string): BootFailure {
  const text = plainText(consoleText.slice(-lookedAtCharacters));
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  if (lines.length === 0) {
    return { stage: "no-output", detail: "the kernel printed nothing at all" };
  }
  return agentFailure(lines) ?? panic(lines) ?? silence(lines);
}

function agentFailure(lines: readonly string[]): BootFailure | undefined {
  const said = lines.map((line) => /ember-guest: fatal: (.+)/.exec(line)?.[1]).findLast((found) => found);
  if (said === undefined) return undefined;
  return { stage: "agent-failed", detail: `ember-guest could not go on: ${said.slice(0, 600)}` };
}

function panic(lines: readonly string[]): BootFailure | undefined {
  const at = lines.findIndex((line) => line.includes("Kernel panic - not syncing"));
  const line = lines[at];
  if (line === undefined) return undefined;
  const reason = line.replace(/^.*?Kernel panic - not syncing:?\s*/, "").slice(0, 300);
  const stage = /Unable to mount root|No working init|Requested init/i.test(reason) ? "no-root" : "panic";
  // What follows a panic is a call trace; what went wrong stands before it.
  const before = quote(lines.slice(0, at));
  const detail = `the kernel panicked (${reason})`;
  return { stage, detail: before === "" ? detail : `${detail} after: ${before}` };
}

function silence(lines: readonly string[]): BootFailure {
  const guest = lines.some((line) => line.includes("ember-guest: "));
  const what = guest
    ? "ember-guest started but its agent did not answer"
    : "the kernel started but ember-guest did not";
  return { stage: "no-agent", detail: `${what}; last printed: ${quote(lines)}` };
}

function quote(lines: readonly string[]): string {
  return lastLines(lines.join("\n"), 3, 400)
    .map((line) => line.replace(/^\[ *\d+\.\d+\] ?/, "").trim())
    .join(" | ");
}
