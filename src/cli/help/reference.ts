import { root } from "../commands/tree.ts";
import type { Command, Leaf, Node } from "../parser/command.ts";
import type { Flag } from "../parser/flag.ts";
import { globalFlags } from "../parser/globals.ts";
import { visible } from "./help.ts";
import { usageLine } from "./usage-line.ts";

/** The whole command line as Markdown, made from the same data as the help texts (docs/cli.md). */
export async function renderReference(): Promise<string> {
  const commands = await collect(root, []);
  const sections = commands.map(({ leaf, path, command }) => commandSection(leaf, path, command));
  return `${[heading, flagTable(globalFlags), ...sections].join("\n\n")}\n`;
}

const heading = `# The command line

Made from the commands themselves; \`ember help\` prints the same.

Standard output carries only the result, messages and progress go to standard error. With \`--format json\` errors are
\`{"error":{"code","message","hint"}}\` on standard error; commands that stream (\`events\`, \`vm stats --watch\`) print
one JSON value on each line.

| exit status | meaning |
|---|---|
| 0 | done |
| 1 | it was tried and failed |
| 2 | the command line is wrong |
| 3 | no such thing |
| 4 | refused by the present state |
| 5 | the host lacks something |
| 129, 130, 143 | ended by a hang-up, Ctrl-C, or SIGTERM; what had been begun was undone |

\`run\`, \`exec\` and \`ssh\` pass the guest command's status on. The first Ctrl-C undoes what was begun, the second says
what is still being undone, the third leaves the rest to the next command.

## Global flags`;

interface Entry {
  readonly leaf: Leaf;
  readonly path: string;
  readonly command: Command;
}

async function collect(node: Node, path: readonly string[]): Promise<Entry[]> {
  if (node.kind === "command") return [{ leaf: node, path: path.join(" "), command: await node.load() }];
  const nested = await Promise.all(visible(node).map((child) => collect(child, [...path, child.name])));
  return nested.flat();
}

function commandSection(leaf: Leaf, path: string, command: Command): string {
  const positionals = [...command.positionals, ...(command.rest === undefined ? [] : [command.rest])];
  return [
    `## ember ${path}`,
    `${leaf.summary.charAt(0).toUpperCase()}${leaf.summary.slice(1)}. ${command.description ?? ""}`.trim(),
    block([usageLine(path, command)]),
    positionals.map(({ name, summary }) => `- \`${name}\`: ${summary}`).join("\n"),
    command.flags.length === 0 ? "" : flagTable(command.flags),
    block(command.examples.flatMap(({ line, shows }) => [`# ${shows}`, line])),
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

const block = (lines: readonly string[]): string => ["```sh", ...lines, "```"].join("\n");

function flagTable(flags: readonly Flag<unknown>[]): string {
  const rows = flags.map((flag) => {
    const names = `${flag.short === undefined ? "" : `-${flag.short}, `}--${flag.name}`;
    const placeholder = flag.placeholder === undefined ? "" : ` ${flag.placeholder}`;
    const summary = flag.repeatable ? `${flag.summary}; may be repeated` : flag.summary;
    return `| \`${names}${placeholder}\` | ${escaped(summary)} | ${escaped(flag.defaultText ?? "")} |`;
  });
  return ["| flag | meaning | default |", "|---|---|---|", ...rows].join("\n");
}

const escaped = (text: string): string => text.replaceAll("|", "\\|");
