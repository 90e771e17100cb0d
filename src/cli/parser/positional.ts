import { EmberError } from "../../errors/ember-error.ts";
import type { Completion, Parser } from "./flag.ts";

/** An argument that is known by its place. */
export interface Positional<T> {
  readonly name: string;
  readonly summary: string;
  readonly required: boolean;
  /** Takes all the arguments that are left. */
  readonly many: boolean;
  readonly complete: Completion | undefined;
  decode(texts: readonly string[]): T;
}

export interface PositionalOptions {
  readonly complete?: Completion;
}

export function one<T>(
  name: string,
  parser: Parser<T>,
  summary: string,
  options: PositionalOptions = {},
): Positional<T> {
  return {
    ...{ name, summary, required: true, many: false, complete: options.complete },
    decode: (texts) => parser(first(texts, name), name),
  };
}

export function optional<T>(
  name: string,
  parser: Parser<T>,
  summary: string,
  options: PositionalOptions = {},
): Positional<T | undefined> {
  return {
    ...{ name, summary, required: false, many: false, complete: options.complete },
    decode: ([text]) => (text === undefined ? undefined : parser(text, name)),
  };
}

/** At least one. */
export function many<T>(
  name: string,
  parser: Parser<T>,
  summary: string,
  options: PositionalOptions = {},
): Positional<readonly T[]> {
  return {
    ...{ name, summary, required: true, many: true, complete: options.complete },
    decode(texts) {
      first(texts, name);
      return texts.map((text) => parser(text, name));
    },
  };
}

/** None, one or more. */
export function any<T>(
  name: string,
  parser: Parser<T>,
  summary: string,
  options: PositionalOptions = {},
): Positional<readonly T[]> {
  return {
    ...{ name, summary, required: false, many: true, complete: options.complete },
    decode: (texts) => texts.map((text) => parser(text, name)),
  };
}

function first(texts: readonly string[], name: string): string {
  const [text] = texts;
  if (text === undefined) throw new EmberError("usage", `${name} is missing`);
  return text;
}
