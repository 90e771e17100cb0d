import type { Command } from "../../parser/command.ts";
import { type Flag, toggle } from "../../parser/flag.ts";

const purgeFlag: Flag<boolean> = toggle(
  "purge",
  "delete all VMs, images and kernels as well, without asking",
);

export const deinit: Command = {
  flags: [purgeFlag],
  positionals: [],
  description: "Refuses while VMs exist, unless --purge takes them along.",
  examples: [
    { line: "ember deinit", shows: "undo what init did" },
    { line: "ember deinit --purge", shows: "leave nothing at all" },
  ],
  async run(session, args) {
    const ember = await session.ember();
    const { took } = await session.task("removing the installation", (options) =>
      ember.deinit({ purge: args.get(purgeFlag), ...options }),
    );
    session.note(`removed in ${took}`);
    return 0;
  },
};
