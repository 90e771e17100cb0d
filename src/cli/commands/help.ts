import type { Command } from "../parser/command.ts";
import { text } from "../parser/kinds.ts";
import { any, type Positional } from "../parser/positional.ts";
import { resolve } from "../parser/resolve.ts";

const words: Positional<readonly string[]> = any("COMMAND", text, "the command to explain");

export const help: Command = {
  flags: [],
  positionals: [words],
  readOnly: true,
  examples: [
    { line: "ember help", shows: "every command" },
    { line: "ember help vm create", shows: "one command" },
  ],
  async run(session, args) {
    const [{ root }, { helpFor }] = await Promise.all([import("./tree.ts"), import("../help/help.ts")]);
    const { node, path } = resolve(root, args.get(words));
    session.print(await helpFor(node, path));
    return 0;
  },
};
