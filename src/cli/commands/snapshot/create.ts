import type { Command } from "../../parser/command.ts";
import type { Parser } from "../../parser/flag.ts";
import { optional, type Positional } from "../../parser/positional.ts";
import { vmArgument } from "./arguments.ts";

/** An empty name is no name: the library refuses it with the rules. */
const anyText: Parser<string> = (input) => input;

const name: Positional<string | undefined> = optional(
  "NAME",
  anyText,
  "name of the snapshot; the time when it is left out",
);

export const create: Command = {
  flags: [],
  positionals: [vmArgument, name],
  description:
    "A running VM goes on running: its file systems are frozen for the moment, so that what it has written is whole.",
  examples: [
    { line: "ember snapshot create web before-upgrade", shows: "something to go back to" },
    { line: "ember snapshot create web", shows: "named after the time" },
  ],
  async run(session, args) {
    const { snapshots } = await session.ember();
    const vm = args.get(vmArgument);
    const { value: made, took } = await session.task(`taking a snapshot of ${vm}`, (options) =>
      snapshots.create(vm, args.get(name), options),
    );
    session.result({ json: made, text: () => `${made.name}\n` });
    session.note(`snapshot of ${vm} taken in ${took}`);
    return 0;
  },
};
