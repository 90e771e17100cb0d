import { EmberError } from "../../errors/ember-error.ts";
import type { Parser } from "./flag.ts";
import { shown } from "./kinds.ts";

const unitsMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** The longest time that a timer can be set to. */
const maximumMs = 2 ** 31 - 1;

/** How long to wait: milliseconds from "30s", "500ms", "1h30m", or a plain number of seconds. Throws `usage`. */
export const duration: Parser<number> = (input, what) => {
  const milliseconds = millisecondsOf(input);
  if (milliseconds !== undefined && milliseconds <= maximumMs) return milliseconds;
  throw notATime(input, what, "500ms, 30s, 5m, 1h30m (at most 24d)");
};

/** How old something is: written as a duration is, however long. Throws `usage`. */
export const age: Parser<number> = (input, what) => {
  const milliseconds = millisecondsOf(input);
  if (milliseconds !== undefined) return milliseconds;
  throw notATime(input, what, "30m, 12h, 90d");
};

function millisecondsOf(input: string): number | undefined {
  return /^[0-9]{1,7}$/.test(input) ? Number(input) * 1000 : sum(input);
}

function notATime(input: string, what: string, examples: string): EmberError {
  return new EmberError("usage", `${what} '${shown(input)}' is not a time`, {
    hint: `write a number and a unit: ${examples}`,
  });
}

/** A moment: "1h" means one hour ago; else ISO 8601. `now` in ms since 1970. Throws `usage`. */
export function moment(input: string, what: string, now: number): string {
  const ago = sum(input);
  if (ago !== undefined) return new Date(now - ago).toISOString();
  // Date.parse alone takes much else, and reads a bare date and time as local.
  if (/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(input)) {
    const time = Date.parse(input);
    if (!Number.isNaN(time)) return new Date(time).toISOString();
  }
  throw new EmberError("usage", `${what} '${shown(input)}' is not a moment`, {
    hint: "write how long ago (30m, 1h, 2d) or a time such as 2026-01-31T12:00:00Z",
  });
}

function sum(input: string): number | undefined {
  if (!/^([0-9]{1,7}(ms|s|m|h|d))+$/.test(input)) return undefined;
  let total = 0;
  for (const [, number, unit] of input.matchAll(/([0-9]+)(ms|s|m|h|d)/g)) {
    total += Number(number) * (unitsMs[unit ?? ""] ?? Number.NaN);
  }
  return total;
}
