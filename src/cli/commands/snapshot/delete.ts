import type { Command } from "../../parser/command.ts";
import { many, type Positional } from "../../parser/positional.ts";
import { forEachVm } from "../vm/each.ts";
import { snapshotName, vmArgument } from "./arguments.ts";

const names: Positional<readonly string[]> = many("NAME", snapshotName, "names of its snapshots", {
  complete: "snapshot",
});

export const deleteSnapshots: Command = {
  flags: [],
  positionals: [vmArgument, names],
  description: "Other snapshots, and VMs that were forked since, are not touched.",
  examples: [{ line: "ember snapshot delete web before-upgrade", shows: "one that is not needed any more" }],
  async run(session, args) {
    const { snapshots } = await session.ember();
    return await forEachVm(
      session,
      args.get(names),
      { doing: "deleting", done: "deleted" },
      (name, options) => snapshots.delete(args.get(vmArgument), name, options),
    );
  },
};
