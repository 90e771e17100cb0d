import type { Command } from "../../parser/command.ts";
import { vmName } from "../../parser/kinds.ts";
import { any, type Positional } from "../../parser/positional.ts";

const names: Positional<readonly string[]> = any("VM", vmName, "VMs to describe; all when none is named", {
  complete: "vm",
});

export const sshConfig: Command = {
  flags: [],
  positionals: [names],
  description: "A Host block for each VM: with it ssh, scp, rsync and editors reach VMs by name.",
  readOnly: true,
  examples: [
    {
      line: "ember ssh-config > ~/.ssh/ember.config",
      shows: "then put 'Include ember.config' into ~/.ssh/config",
    },
    { line: "ember ssh-config web", shows: "one VM" },
  ],
  async run(session, args) {
    const { vms } = await session.ember();
    const wanted = args.get(names);
    session.print(await vms.sshConfig(wanted.length === 0 ? undefined : wanted));
    return 0;
  },
};
