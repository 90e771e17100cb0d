import type { Command } from "../../parser/command.ts";
import { nameArgument, vmArgument } from "./arguments.ts";

export const restore: Command = {
  flags: [],
  positionals: [vmArgument, nameArgument],
  description:
    "The VM must be stopped, and keeps its name, keys and address. What its disk is now is kept as the snapshot " +
    "'before-restore', in place of an earlier one of that name: restoring that undoes the restore.",
  examples: [
    { line: "ember snapshot restore web before-upgrade", shows: "go back" },
    { line: "ember snapshot restore web before-restore", shows: "undo that" },
  ],
  async run(session, args) {
    const { snapshots } = await session.ember();
    const [vm, name] = [args.get(vmArgument), args.get(nameArgument)];
    const { took } = await session.task(`restoring ${vm}`, (options) => snapshots.restore(vm, name, options));
    session.note(
      `restored ${vm} to ${name} in ${took}; to undo: ember snapshot restore ${vm} before-restore`,
    );
    return 0;
  },
};
