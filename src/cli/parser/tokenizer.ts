import { EmberError } from "../../errors/ember-error.ts";
import { closest } from "./closest.ts";
import type { Flag } from "./flag.ts";

export interface Tokens {
  /** Texts of each flag that was given, by long name; "" stands for a flag without a value. */
  readonly values: ReadonlyMap<string, readonly string[]>;
  readonly positionals: readonly string[];
  readonly rest: readonly string[];
}

export interface Shape {
  /** The command's full name, for errors. */
  readonly path: string;
  /** What follows `--` is a command for the guest; otherwise it is ordinary arguments. */
  readonly hasRest: boolean;
  readonly maximumPositionals: number;
}

type FlagSpec = Flag<unknown>;

/**
 * Splits an argument vector: `--flag value`, `--flag=value`, `-f value`, `-fvalue`, bundles such as `-it`, and `--`.
 * Throws `usage` for the first word that does not fit, with the closest flag that is known.
 */
export function tokenize(argv: readonly string[], flags: readonly FlagSpec[], shape: Shape): Tokens {
  const values = new Map<string, string[]>();
  const positionals: string[] = [];
  const add = (flag: FlagSpec, text: string): void => {
    values.set(flag.name, [...(values.get(flag.name) ?? []), text]);
  };
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? "";
    if (word === "--") {
      const after = argv.slice(index + 1);
      if (shape.hasRest) return { values, positionals, rest: after };
      for (const text of after) addPositional(positionals, text, shape);
      break;
    }
    if (word.startsWith("--")) {
      index += readLong(word, argv[index + 1], flags, shape, add);
    } else if (word.startsWith("-") && word !== "-") {
      index += readBundle(word, argv[index + 1], flags, shape, add);
    } else {
      addPositional(positionals, word, shape);
    }
  }
  return { values, positionals, rest: [] };
}

type Add = (flag: FlagSpec, text: string) => void;

/** How many further words it took. */
function readLong(
  word: string,
  next: string | undefined,
  flags: readonly FlagSpec[],
  shape: Shape,
  add: Add,
): number {
  const equals = word.indexOf("=");
  const name = word.slice(2, equals === -1 ? undefined : equals);
  const flag = flags.find((candidate) => candidate.name === name);
  if (flag === undefined) throw unknownFlag(`--${name}`, flags, shape);
  if (flag.placeholder === undefined) {
    if (equals !== -1) throw usage(`--${name} takes no value`, shape, `write just --${name}`);
    add(flag, "");
    return 0;
  }
  if (equals !== -1) {
    add(flag, word.slice(equals + 1));
    return 0;
  }
  add(flag, valueAfter(`--${name}`, flag.placeholder, next, shape));
  return 1;
}

function readBundle(
  word: string,
  next: string | undefined,
  flags: readonly FlagSpec[],
  shape: Shape,
  add: Add,
): number {
  for (let position = 1; position < word.length; position++) {
    const letter = word[position] ?? "";
    const flag = flags.find((candidate) => candidate.short === letter);
    if (flag === undefined) throw unknownFlag(position === 1 ? word : `-${letter}`, flags, shape);
    if (flag.placeholder === undefined) {
      add(flag, "");
      continue;
    }
    const attached = word.slice(position + 1);
    if (attached !== "") {
      add(flag, attached.replace(/^=/, ""));
      return 0;
    }
    add(flag, valueAfter(`-${letter}`, flag.placeholder, next, shape));
    return 1;
  }
  return 0;
}

function valueAfter(shown: string, placeholder: string, next: string | undefined, shape: Shape): string {
  if (next === undefined || next === "--" || (next.startsWith("-") && next !== "-")) {
    const value = next === undefined || next === "--" ? placeholder : next;
    const hint = shown.startsWith("--") ? `write ${shown}=${value}` : `write ${shown} ${placeholder}`;
    throw usage(`${shown} needs a value`, shape, hint);
  }
  return next;
}

function addPositional(positionals: string[], text: string, shape: Shape): void {
  if (positionals.length >= shape.maximumPositionals) {
    const before = ["ember", shape.path, ...positionals].join(" ");
    const hint = shape.hasRest
      ? `put a command for the guest after '--': ${before} -- ${text} ...`
      : `see: ember ${shape.path} --help`;
    throw usage(`unexpected argument '${text}'`, shape, hint);
  }
  positionals.push(text);
}

function unknownFlag(shown: string, flags: readonly FlagSpec[], shape: Shape): EmberError {
  const meant = closest(
    shown.replace(/^-+/, ""),
    flags.map((flag) => flag.name),
  );
  const hint = meant === undefined ? undefined : `did you mean --${meant}?`;
  const where = shape.path === "" ? "" : ` for 'ember ${shape.path}'`;
  return usage(`unknown flag '${shown}'${where}`, shape, hint);
}

function usage(message: string, shape: Shape, hint: string | undefined): EmberError {
  const help = shape.path === "" ? "see: ember --help" : `see: ember ${shape.path} --help`;
  return new EmberError("usage", message, { hint: hint ?? help });
}
