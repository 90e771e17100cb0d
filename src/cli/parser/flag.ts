import { EmberError } from "../../errors/ember-error.ts";

/** Reads one value; `what` names it in the error ("--memory"). Throws an EmberError with exit status 2. */
export type Parser<T> = (text: string, what: string) => T;

/** What the shell may complete a word with; "snapshot" is one of the VM that the first argument names. */
export type Completion = "vm" | "image" | "kernel" | "snapshot" | "file" | readonly string[];

/** A flag is a value: the command lists it, and asks the parsed arguments for it. */
export interface Flag<T> {
  /** Long name without the dashes. */
  readonly name: string;
  readonly short: string | undefined;
  /** Stands for the value in help; undefined for a flag without one. */
  readonly placeholder: string | undefined;
  readonly summary: string;
  readonly defaultText: string | undefined;
  readonly required: boolean;
  readonly repeatable: boolean;
  readonly complete: Completion | undefined;
  /** The value of all the times the flag was given, in order. */
  decode(texts: readonly string[]): T;
}

export interface FlagOptions {
  readonly short?: string;
  /** Shown in help: what holds when the flag is left out. */
  readonly default?: string;
  readonly complete?: Completion;
}

/** A flag that is there or not. */
export function toggle(name: string, summary: string, options: FlagOptions = {}): Flag<boolean> {
  return { ...common(name, summary, options), placeholder: undefined, decode: (texts) => texts.length > 0 };
}

/** A flag with a value; given twice, the last one holds. */
export function value<T>(
  name: string,
  placeholder: string,
  parser: Parser<T>,
  summary: string,
  options: FlagOptions = {},
): Flag<T | undefined> {
  return {
    ...common(name, summary, options),
    placeholder,
    decode(texts) {
      const last = texts.at(-1);
      return last === undefined ? undefined : parser(last, `--${name}`);
    },
  };
}

/** A flag with a value that the command cannot do without. */
export function requiredValue<T>(
  name: string,
  placeholder: string,
  parser: Parser<T>,
  summary: string,
  options: FlagOptions = {},
): Flag<T> {
  return {
    ...common(name, summary, options),
    placeholder,
    required: true,
    decode(texts) {
      const last = texts.at(-1);
      if (last === undefined) throw new EmberError("usage", `--${name} ${placeholder} is missing`);
      return parser(last, `--${name}`);
    },
  };
}

/** A flag that may be given many times; the values keep their order. */
export function list<T>(
  name: string,
  placeholder: string,
  parser: Parser<T>,
  summary: string,
  options: FlagOptions = {},
): Flag<readonly T[]> {
  return {
    ...common(name, summary, options),
    placeholder,
    repeatable: true,
    decode: (texts) => texts.map((text) => parser(text, `--${name}`)),
  };
}

function common(
  name: string,
  summary: string,
  options: FlagOptions,
): Omit<Flag<unknown>, "placeholder" | "decode"> {
  return {
    name,
    summary,
    short: options.short,
    defaultText: options.default,
    complete: options.complete,
    required: false,
    repeatable: false,
  };
}
