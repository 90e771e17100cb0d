import { EmberError } from "../../errors/ember-error.ts";
import type { GuestArchitecture } from "../../guest/binary/architecture.ts";
import { amd64Options } from "./fragment/amd64.ts";
import { arm64Options } from "./fragment/arm64.ts";
import { coreOptions } from "./fragment/core.ts";
import { networkOptions } from "./fragment/network.ts";
import { wantedOptions } from "./fragment/wanted.ts";

/** Options and their values as .config has them: "y", a number, a text in quotes; "n" for one that is off. */
export type Options = ReadonlyMap<string, string>;

/** What a build asks for. */
export interface Configuration {
  /** The fragments one after the other, as scripts/kconfig/merge_config.sh takes them: the later ones win. */
  readonly text: string;
  /** What must be in the .config that comes of it. */
  readonly required: Options;
}

const assignment = /^(CONFIG_[A-Za-z0-9_]+)=(y|n|m|-?[0-9]{1,19}|0x[0-9a-fA-F]{1,16}|"[^"\\$`]*")$/;
const off = /^# (CONFIG_[A-Za-z0-9_]+) is not set$/;

/**
 * The options in a fragment. Throws `invalid-config` for a line that is no option: values go into makefiles, so they
 * must be of the form that the kernel's own tools write.
 */
export function parseOptions(text: string, what: string): Options {
  const options = new Map<string, string>();
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    const [, name, value] = assignment.exec(line) ?? off.exec(line) ?? [];
    if (name !== undefined) options.set(name, value ?? "n");
    else if (line !== "" && !line.startsWith("#"))
      throw invalid(`line ${index + 1} of ${what} is no option: ${JSON.stringify(line.slice(0, 80))}`);
  }
  return options;
}

/** Our options for an architecture, and after them the user's. Throws `invalid-config`. */
export function configurationFor(
  arch: GuestArchitecture,
  own?: { text: string; path: string },
): Configuration {
  const ours = [coreOptions, networkOptions, arch === "amd64" ? amd64Options : arm64Options].join("");
  const users = own === undefined ? new Map<string, string>() : parseOptions(own.text, `'${own.path}'`);
  refuseModules(users);
  return {
    text: [wantedOptions, ours, linesOf(users)].join("\n"),
    required: new Map([...parseOptions(ours, "the built-in options"), ...users]),
  };
}

/** The options that are not in a .config as they were asked for, as lines of it; an absent option is off. */
export function missingOptions(required: Options, dotConfig: string): readonly string[] {
  const found = new Map(
    dotConfig.split("\n").map((line) => {
      const [, name = "", value = ""] = /^(CONFIG_[A-Za-z0-9_]+)=(.*)$/.exec(line) ?? [];
      return [name, value] as const;
    }),
  );
  return [...required]
    .filter(([name, value]) => (found.get(name) ?? "n") !== value)
    .map(([name, value]) => `${name}=${value}`);
}

const linesOf = (options: Options): string =>
  [...options]
    .map(([name, value]) => (value === "n" ? `# ${name} is not set\n` : `${name}=${value}\n`))
    .join("");

/** A guest gets its kernel, and no modules from a place that they could be loaded from. */
function refuseModules(options: Options): void {
  const name = [...options].find(
    ([key, value]) => value === "m" || (key === "CONFIG_MODULES" && value === "y"),
  );
  if (name === undefined) return;
  throw invalid(
    `${name[0]}=${name[1]} asks for modules, and everything is built into these kernels`,
    "write =y",
  );
}

function invalid(message: string, hint = "write CONFIG_NAME=y, or '# CONFIG_NAME is not set'"): EmberError {
  return new EmberError("invalid-config", message, { hint });
}
