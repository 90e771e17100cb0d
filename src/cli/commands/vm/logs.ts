import type { Command } from "../../parser/command.ts";
import { type Flag, toggle } from "../../parser/flag.ts";
import { nameArgument } from "./arguments.ts";

const followFlag: Flag<boolean> = toggle("follow", "go on with what is written from now on", { short: "f" });
const consoleFlag: Flag<boolean> = toggle(
  "console",
  "everything on the guest's console, the kernel's messages included",
);

export const logs: Command = {
  flags: [followFlag, consoleFlag],
  positionals: [nameArgument],
  description: "The output is printed as the guest wrote it.",
  readOnly: true,
  examples: [
    { line: "ember vm logs web", shows: "what its command wrote so far" },
    { line: "ember vm logs web --console -f", shows: "watch it boot" },
  ],
  async run(session, args) {
    const { vms } = await session.ember();
    const options = { console: args.get(consoleFlag), follow: args.get(followFlag), signal: session.signal };
    for await (const chunk of vms.logs(args.get(nameArgument), options)) session.print(chunk);
    return 0;
  },
};
