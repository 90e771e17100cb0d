import type { Completion } from "../parser/flag.ts";
import type { Described } from "./describe.ts";

/** What a flag's value or an argument is completed with, as one shell word: a kind, or "words:" and the allowed ones. */
function kindWord(completion: Completion | undefined): string {
  if (completion === undefined) return "none";
  return typeof completion === "string" ? completion : `words:${completion.join(" ")}`;
}

/**
 * The data of all commands as functions that bash and zsh both read; "route" is a command's words after "ember".
 * Everything is put between single or double quotes by construction: names are plain words.
 */
export function posixTables(commands: readonly Described[]): string {
  const routes = commands.filter(({ path }) => path !== "").map(({ path }) => `"${path}"`);
  const children = commands.filter((command) => command.children.length > 0);
  return `# Is this the route of a command or of a group?
_ember_is_route() {
  case "$1" in
    ${routes.join(" | ")}) return 0 ;;
  esac
  return 1
}

# The commands of a group.
_ember_children() {
  case "$1" in
${children.map((group) => `    "${group.path}") echo "${group.children.map((child) => child.name).join(" ")}" ;;`).join("\n")}
  esac
}

# The flags of a command.
_ember_flags() {
  case "$1" in
${commands.map((command) => `    "${command.path}") echo "${command.flags.map((flag) => `--${flag.name}`).join(" ")}" ;;`).join("\n")}
  esac
}

# What the value of a flag may be; fails for a flag without a value.
_ember_value_kind() {
  case "$1 $2" in
${commands.flatMap(valueKinds).join("\n")}
    *) return 1 ;;
  esac
}

# What the argument at a place (from 0) may be.
_ember_argument_kind() {
  case "$1 $2" in
${commands.flatMap(argumentKinds).join("\n")}
    *) echo none ;;
  esac
}`;
}

function valueKinds({ path, flags }: Described): string[] {
  return flags
    .filter((flag) => flag.placeholder !== undefined)
    .map((flag) => {
      const short = flag.short === undefined ? "" : ` | "${path} -${flag.short}"`;
      return `    "${path} --${flag.name}"${short}) echo "${kindWord(flag.complete)}" ;;`;
    });
}

function argumentKinds(command: Described): string[] {
  const places = command.arguments.map(
    (kind, place) => `    "${command.path} ${place}") echo "${kindWord(kind)}" ;;`,
  );
  const last = command.arguments.at(-1);
  return command.endless && last !== undefined
    ? [...places, `    "${command.path} "*) echo "${kindWord(last)}" ;;`]
    : places;
}
