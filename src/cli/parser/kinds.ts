import { EmberError } from "../../errors/ember-error.ts";
import type { Parser } from "./flag.ts";

const usage = (message: string, hint?: string): EmberError =>
  new EmberError("usage", message, hint === undefined ? {} : { hint });

/** Anything that is not empty and holds no NUL (which no program or file system takes). */
export const text: Parser<string> = (input, what) => {
  if (input === "" || input.includes("\0")) throw usage(`${what} must not be empty`);
  return input;
};

/** A path on this host; `~` is left to the shell. */
export const path: Parser<string> = text;

/** One line of printable text, which may be empty: what goes onto a kernel command line. */
export const line: Parser<string> = (input, what) => {
  if (/\p{Cc}/u.test(input)) throw usage(`${what} must be one line of plain text`);
  return input;
};

export const vmName: Parser<string> = (input, what) => {
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(input)) {
    throw new EmberError("invalid-name", `${what} '${shown(input)}' is not a VM name`, {
      hint: "use 1 to 63 lower-case letters, digits and '-', beginning with a letter or digit",
    });
  }
  return input;
};

/** Name or reference of an image, or of a kernel; the library knows the exact rules. */
export const reference: Parser<string> = (input, what) => {
  if (!/^[A-Za-z0-9/._~][^\p{Cc}\s]{0,4095}$/u.test(input)) {
    throw new EmberError("invalid-reference", `${what} '${shown(input)}' is not a name`, {
      hint: "a name begins with a letter, a digit or a path, and holds no spaces",
    });
  }
  return input;
};

/** A whole number from 1. */
export const count: Parser<number> = (input, what) => {
  if (!/^[1-9][0-9]{0,5}$/.test(input)) throw usage(`${what} '${shown(input)}' is not a whole number from 1`);
  return Number(input);
};

export function choice<T extends string>(...allowed: readonly T[]): Parser<T> {
  return (input, what) => {
    const found = allowed.find((candidate) => candidate === input);
    if (found === undefined) throw usage(`${what} must be ${allowed.join(" or ")}, not '${shown(input)}'`);
    return found;
  };
}

/** "KEY=value"; the value may be empty and may hold "=". */
export const keyValue: Parser<readonly [string, string]> = (input, what) => {
  const equals = input.indexOf("=");
  if (equals < 1 || input.includes("\0")) {
    throw usage(`${what} '${shown(input)}' is not of the form KEY=value`, `write ${what} KEY=value`);
  }
  return [input.slice(0, equals), input.slice(equals + 1)];
};

/** Pairs as a record; a later one replaces an earlier one of the same key. */
export const record = (pairs: readonly (readonly [string, string])[]): Record<string, string> =>
  Object.fromEntries(pairs);

/** User input as an error may show it: one line of bounded length. */
export function shown(input: string): string {
  const clean = input.replace(/\p{Cc}/gu, "?");
  return clean.length > 80 ? `${clean.slice(0, 77)}...` : clean;
}
