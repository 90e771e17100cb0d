import type { Command } from "../../parser/command.ts";
import { type Flag, toggle } from "../../parser/flag.ts";
import { namesArgument } from "./arguments.ts";
import { forEachVm } from "./each.ts";

const forceFlag: Flag<boolean> = toggle(
  "force",
  "also when it runs or others depend on it, which go with it",
);

const keepForksFlag: Flag<boolean> = toggle(
  "keep-forks",
  "make forks that need the VM's disk (on zfs) independent of it first",
);

export const deleteVm: Command = {
  flags: [forceFlag, keepForksFlag],
  positionals: [namesArgument],
  description:
    "The disk goes with the VM. Refuses while the VM runs, or has snapshots or forks that depend on it; --force takes " +
    "them along.",
  examples: [
    { line: "ember vm delete web", shows: "a stopped VM" },
    { line: "ember vm delete --force web db", shows: "whatever they are doing, with their snapshots" },
    { line: "ember vm delete --keep-forks web", shows: "its forks stay, also on zfs" },
  ],
  async run(session, args) {
    const { vms } = await session.ember();
    const [force, keepForks] = [args.get(forceFlag), args.get(keepForksFlag)];
    return await forEachVm(
      session,
      args.get(namesArgument),
      { doing: "deleting", done: "deleted" },
      (name, options) => vms.delete(name, { force, keepForks, ...options }),
      // A VM and its forks may be named in any order.
      { mayPass: (error) => error.code === "has-dependants" },
    );
  },
};
