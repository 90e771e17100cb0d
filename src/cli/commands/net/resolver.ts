import type { Command } from "../../parser/command.ts";

export const resolver: Command = {
  flags: [],
  positionals: [],
  description:
    "Lines for this host's /etc/hosts, one for each VM. A name leads to the VM's address where this host can reach that (tap), else " +
    "to 127.0.0.1, where published ports and 'ember forward' are. Print them again when VMs come and go.",
  readOnly: true,
  examples: [
    { line: "ember net resolver", shows: "look at them" },
    {
      line: "ember net resolver | sudo tee -a /etc/hosts",
      shows: "and use them: http://web.ember.internal:8080",
    },
  ],
  async run(session) {
    const { network } = await session.ember();
    const names = await network.hostNames();
    session.result({
      json: names,
      text: () => names.map(({ name, address }) => `${address} ${name} # ember\n`).join(""),
    });
    if (names.length === 0) session.note("no VM has a name yet");
    return 0;
  },
};
