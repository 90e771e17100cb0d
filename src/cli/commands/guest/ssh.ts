import { quoteCommand } from "../../../guest/quote.ts";
import type { Command } from "../../parser/command.ts";
import { nameArgument } from "../vm/arguments.ts";
import { withStreams } from "./terminal.ts";

export const ssh: Command = {
  flags: [],
  positionals: [nameArgument],
  rest: {
    name: "COMMAND",
    summary: "program and arguments, which arrive as they are given",
    required: false,
  },
  description:
    "Without a command: a login shell, with a terminal when there is one here. Enter, then ~. leaves a guest that " +
    "hangs. With a command: standard input is handed on, there is no terminal (see exec -it), and the words are " +
    "quoted for the guest's shell. Any SSH client works too: see ember ssh-config.",
  examples: [
    { line: "ember ssh web", shows: "log in" },
    { line: "ember ssh web -- journalctl -n 20", shows: "one command in the login environment" },
  ],
  async run(session, args) {
    const { vms } = await session.ember();
    const name = args.get(nameArgument);
    const commandLine = args.rest.length === 0 ? undefined : quoteCommand(args.rest);
    const tty = commandLine === undefined && session.context.stdin.isTerminal;
    const result = await withStreams(session.context, { interactive: true, tty }, (wired) =>
      vms.shell(name, commandLine, wired),
    );
    return result.exitStatus;
  },
};
