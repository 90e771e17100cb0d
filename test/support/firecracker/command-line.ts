/** How one argument is given. */
export interface ArgumentRule {
  readonly kind: "flag" | "value" | "values";
  readonly required?: boolean;
  readonly requires?: string;
  readonly forbids?: string;
}

export interface Arguments {
  readonly flags: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, readonly string[]>;
  /** What comes after "--". */
  readonly extra: readonly string[];
}

/** A command line is refused: the message, and the error's name in Rust. */
export class ArgumentError extends Error {
  readonly rust: string;

  constructor(message: string, rust: string) {
    super(message);
    this.rust = rust;
  }
}

const quoted = (text: string): string => JSON.stringify(text);

function unexpected(name: string): ArgumentError {
  return new ArgumentError(
    `Found argument '${name}' which wasn't expected, or isn't valid in this context.`,
    `UnexpectedArgument(${quoted(name)})`,
  );
}

/** Reads arguments as Firecracker and its jailer do. "help" and "version" count alone. Throws `ArgumentError`. */
export function parseArguments(
  argv: readonly string[],
  rules: Readonly<Record<string, ArgumentRule>>,
): Arguments {
  const end = argv.indexOf("--");
  const own = end === -1 ? argv : argv.slice(0, end);
  const extra = end === -1 ? [] : argv.slice(end + 1);
  for (const [texts, name] of [
    [["--help", "-h"], "help"],
    [["--version"], "version"],
  ] as const) {
    if (texts.some((text) => own.includes(text))) return { flags: new Set([name]), values: new Map(), extra };
  }
  const flags = new Set<string>();
  const values = new Map<string, readonly string[]>();
  for (let index = 0; index < own.length; index++) {
    const argument = own[index] ?? "";
    const name = argument.slice(2);
    if (!argument.startsWith("--")) throw unexpected(argument);
    const rule = rules[name];
    if (rule === undefined) throw unexpected(name);
    if (rule.kind !== "values" && (flags.has(name) || values.has(name))) {
      throw new ArgumentError(
        `The argument '${name}' was provided more than once.`,
        `DuplicateArgument(${quoted(name)})`,
      );
    }
    if (rule.kind === "flag") flags.add(name);
    else {
      index++;
      values.set(name, [...(values.get(name) ?? []), givenValue(own[index], name)]);
    }
  }
  checkRules(own, rules, new Set([...flags, ...values.keys()]));
  return { flags, values, extra };
}

function givenValue(value: string | undefined, name: string): string {
  if (value !== undefined && !value.startsWith("--")) return value;
  throw new ArgumentError(
    `The argument '${name}' requires a value, but none was supplied.`,
    `MissingValue(${quoted(name)})`,
  );
}

function checkRules(
  own: readonly string[],
  rules: Readonly<Record<string, ArgumentRule>>,
  given: ReadonlySet<string>,
): void {
  for (const [name, rule] of Object.entries(rules).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (rule.required && !given.has(name)) throw missing(name);
    if (!given.has(name)) continue;
    if (rule.requires !== undefined && !own.includes(`--${rule.requires}`)) throw missing(rule.requires);
    if (rule.forbids !== undefined && own.includes(`--${rule.forbids}`)) {
      throw new ArgumentError(
        `The argument '${name}' cannot be used together with argument '${rule.forbids}'.`,
        `ForbiddenArgument(${quoted(name)}, ${quoted(rule.forbids)})`,
      );
    }
  }
}

function missing(name: string): ArgumentError {
  return new ArgumentError(`Argument '${name}' required, but not found.`, `MissingArgument(${quoted(name)})`);
}
