import type { Command } from "../../parser/command.ts";
import { type Flag, toggle } from "../../parser/flag.ts";
import { namesArgument } from "./arguments.ts";
import { forEachVm } from "./each.ts";

const forceFlag: Flag<boolean> = toggle(
  "force",
  "also when it runs or others depend on it, which go with it",
);

export const deleteVm: Command = {
  flags: [forceFlag],
  positionals: [namesArgument],
  description: "The disk goes with the VM. Refuses while the VM runs or something depends on it.",
  examples: [
    { line: "ember vm delete web", shows: "a stopped VM" },
    { line: "ember vm delete --force web db", shows: "whatever they are doing" },
  ],
  async run(session, args) {
    const { vms } = await session.ember();
    const force = args.get(forceFlag);
    return await forEachVm(
      session,
      args.get(namesArgument),
      { doing: "deleting", done: "deleted" },
      (name, options) => vms.delete(name, { force, ...options }),
    );
  },
};
