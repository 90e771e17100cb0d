import { visible } from "../help/help.ts";
import type { Node } from "../parser/command.ts";
import type { Completion, Flag } from "../parser/flag.ts";
import { globalFlags } from "../parser/globals.ts";

/** What a completion script needs to know of one command or group. */
export interface Described {
  /** Words after "ember", "" for the root. */
  readonly path: string;
  readonly children: readonly { readonly name: string; readonly summary: string }[];
  readonly flags: readonly Flag<unknown>[];
  /** For each place of an argument; the last one holds for all that follow when `endless`. */
  readonly arguments: readonly (Completion | undefined)[];
  readonly endless: boolean;
}

/** The tree as a flat list, parents first. */
export async function describe(node: Node, path: readonly string[] = []): Promise<Described[]> {
  if (node.kind === "command") {
    const command = await node.load();
    return [
      {
        path: path.join(" "),
        children: [],
        flags: [...command.flags, ...globalFlags],
        arguments: command.positionals.map((positional) => positional.complete),
        endless: command.positionals.at(-1)?.many === true,
      },
    ];
  }
  const children = visible(node);
  const own: Described = {
    path: path.join(" "),
    children: children.map(({ name, summary }) => ({ name, summary })),
    flags: globalFlags,
    arguments: [],
    endless: false,
  };
  const nested = await Promise.all(children.map((child) => describe(child, [...path, child.name])));
  return [own, ...nested.flat()];
}
