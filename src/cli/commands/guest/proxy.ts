import type { Command } from "../../parser/command.ts";
import { nameArgument } from "../vm/arguments.ts";

/** OpenSSH's ProxyCommand: standard input and output become the connection to the agent. */
export const proxy: Command = {
  flags: [],
  positionals: [nameArgument],
  readOnly: true,
  examples: [{ line: "ssh -o ProxyCommand='ember __proxy %h' web", shows: "what ssh-config writes" }],
  async run(session, args) {
    const { vms } = await session.ember();
    const { stdin, stdout } = session.context;
    await vms.proxy(args.get(nameArgument), stdin.stream, stdout.stream);
    return 0;
  },
};
