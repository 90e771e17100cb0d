import { EmberError } from "../../errors/ember-error.ts";
import type { Command } from "./command.ts";
import type { Flag } from "./flag.ts";
import { globalFlags } from "./globals.ts";
import type { Positional } from "./positional.ts";
import { tokenize } from "./tokenizer.ts";

/** The parsed command line of one command. */
export class Arguments {
  private readonly flagTexts: ReadonlyMap<string, readonly string[]>;
  private readonly positionalTexts: ReadonlyMap<string, readonly string[]>;
  /** What followed `--`. */
  readonly rest: readonly string[];

  constructor(
    flagTexts: ReadonlyMap<string, readonly string[]>,
    positionalTexts: ReadonlyMap<string, readonly string[]>,
    rest: readonly string[],
  ) {
    this.flagTexts = flagTexts;
    this.positionalTexts = positionalTexts;
    this.rest = rest;
  }

  /** The value of a flag or argument that the command lists. */
  get<T>(spec: Flag<T> | Positional<T>): T {
    const texts = "placeholder" in spec ? this.flagTexts : this.positionalTexts;
    return spec.decode(texts.get(spec.name) ?? []);
  }
}

/**
 * Parses and checks everything, so that a command that runs has good arguments. `path` is the command's full name
 * ("vm create"). Throws `usage`, `invalid-name`, `invalid-size`.
 */
export function parseArguments(path: string, command: Command, argv: readonly string[]): Arguments {
  const takesAny = command.positionals.some((positional) => positional.many);
  const tokens = tokenize(argv, [...command.flags, ...globalFlags], {
    path,
    hasRest: command.rest !== undefined,
    maximumPositionals: takesAny ? Number.POSITIVE_INFINITY : command.positionals.length,
  });
  const args = new Arguments(tokens.values, assign(command.positionals, tokens.positionals), tokens.rest);
  try {
    for (const positional of command.positionals) args.get(positional);
    for (const flag of [...command.flags, ...globalFlags]) args.get(flag);
  } catch (error) {
    throw withHelpHint(error, path);
  }
  if (command.rest?.required === true && tokens.rest.length === 0) {
    throw new EmberError("usage", `${command.rest.name} is missing`, {
      hint: `put it after '--': ember ${path} ${command.positionals.map((p) => p.name).join(" ")} -- ${command.rest.name}...`,
    });
  }
  return args;
}

function assign(
  specs: readonly Positional<unknown>[],
  texts: readonly string[],
): Map<string, readonly string[]> {
  const assigned = new Map<string, readonly string[]>();
  let next = 0;
  for (const spec of specs) {
    const end = spec.many ? texts.length : Math.min(next + 1, texts.length);
    assigned.set(spec.name, texts.slice(next, end));
    next = end;
  }
  return assigned;
}

/** A usage error without a hint of its own sends the reader to the command's help. */
function withHelpHint(error: unknown, path: string): unknown {
  if (!(error instanceof EmberError) || error.code !== "usage" || error.hint !== undefined) return error;
  return new EmberError("usage", error.message, { hint: `see: ember ${path} --help`, cause: error });
}
