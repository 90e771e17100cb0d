import { firstImageCommand } from "#platform";
import type { Command, Group, Leaf, Node } from "../parser/command.ts";
import type { Flag } from "../parser/flag.ts";
import { globalFlags } from "../parser/globals.ts";
import { wrap } from "../render/text.ts";
import { usageLine } from "./usage-line.ts";

const width = 80;
const indent = "  ";

/** The help text of a command or a group of commands; fits 80 columns. */
export async function helpFor(node: Node, path: string): Promise<string> {
  return node.kind === "group" ? groupHelp(node, path) : commandHelp(node, path, await node.load());
}

/** Children that people see. */
export const visible = (group: Group): readonly Node[] =>
  group.children.filter((child) => child.kind === "group" || child.hidden !== true);

function groupHelp(group: Group, path: string): string {
  const name = path === "" ? "ember" : `ember ${path}`;
  const commands = visible(group).map((child): Entry => [child.name, child.summary]);
  return joined([
    section("Usage", [`${name} COMMAND`]),
    paragraph(sentence(group.summary)),
    section("Commands", entries(commands)),
    section("Global flags", entries(globalFlags.map(flagEntry))),
    section(
      "Example",
      path === ""
        ? [`ember init && ${firstImageCommand}`, "ember run -it debian -- bash"]
        : [`ember help ${path} ${visible(group)[0]?.name ?? ""}`],
    ),
    paragraph(`'${name} COMMAND --help' explains a command.${path === "" ? exitStatuses : ""}`),
  ]);
}

const exitStatuses =
  " Exit status: 0 done, 1 failed, 2 wrong usage, 3 no such thing, 4 refused by the present state, 5 the host lacks " +
  "something; 130 after Ctrl-C. 'run', 'exec' and 'ssh' pass the guest's status on.";

function commandHelp(leaf: Leaf, path: string, command: Command): string {
  const positionals = command.positionals.map(
    (positional): Entry => [positional.many ? `${positional.name}...` : positional.name, positional.summary],
  );
  const rest: Entry[] = command.rest === undefined ? [] : [[`${command.rest.name}...`, command.rest.summary]];
  const examples = command.examples.map((example): Entry => [example.line, example.shows]);
  return joined([
    section("Usage", wrapUsage(usageLine(path, command))),
    paragraph(sentence(leaf.summary)),
    paragraph(command.description ?? ""),
    section("Arguments", entries([...positionals, ...rest])),
    section("Flags", entries(command.flags.map(flagEntry))),
    section("Global flags", entries(globalFlags.map(flagEntry))),
    section(command.examples.length === 1 ? "Example" : "Examples", exampleLines(examples)),
  ]);
}

type Entry = readonly [label: string, text: string];

function flagEntry(flag: Flag<unknown>): Entry {
  const short = flag.short === undefined ? "    " : `-${flag.short}, `;
  const placeholder = flag.placeholder === undefined ? "" : ` ${flag.placeholder}`;
  const more = flag.repeatable ? "; may be repeated" : "";
  const standard = flag.defaultText === undefined ? "" : ` (default: ${flag.defaultText})`;
  return [`${short}--${flag.name}${placeholder}`, `${flag.summary}${more}${standard}`];
}

/** Two columns; a label that is too long for the first one gets a line of its own. */
function entries(list: readonly Entry[]): string[] {
  const column = Math.min(26, Math.max(0, ...list.map(([label]) => label.length)) + 2);
  return list.flatMap(([label, text]) => {
    const lines = wrap(text, width - indent.length - column).map((line) => " ".repeat(column) + line);
    const [first = "", ...others] = lines;
    return label.length + 2 > column
      ? [label, first, ...others]
      : [label.padEnd(column) + first.slice(column), ...others];
  });
}

function exampleLines(examples: readonly Entry[]): string[] {
  return examples.flatMap(([line, shows]) => [`# ${shows}`, line]);
}

function wrapUsage(usage: string): string[] {
  const [first = "", ...others] = wrap(usage, width - indent.length - 6);
  return [first, ...others.map((line) => `      ${line}`)];
}

const section = (title: string, lines: readonly string[]): string =>
  lines.length === 0 ? "" : [`${title}:`, ...lines.map((line) => indent + line)].join("\n");

const paragraph = (text: string): string => (text === "" ? "" : wrap(text, width).join("\n"));

const sentence = (summary: string): string => `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;

const joined = (parts: readonly string[]): string => `${parts.filter((part) => part !== "").join("\n\n")}\n`;
