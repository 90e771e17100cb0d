import type { Command } from "../../parser/command.ts";
import { namesArgument } from "./arguments.ts";
import { forEachVm } from "./each.ts";

export const start: Command = {
  flags: [],
  positionals: [namesArgument],
  description: "Returns when the VM answers. Starting a VM that runs already does nothing.",
  examples: [
    { line: "ember vm start web", shows: "one VM" },
    { line: "ember vm start web db cache", shows: "several at once" },
  ],
  async run(session, args) {
    const { vms } = await session.ember();
    return await forEachVm(
      session,
      args.get(namesArgument),
      { doing: "starting", done: "started" },
      (name, options) => vms.start(name, options),
    );
  },
};
