import type { Command } from "../parser/command.ts";
import { choice } from "../parser/kinds.ts";
import { one, type Positional } from "../parser/positional.ts";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

const shell: Positional<Shell> = one("SHELL", choice<Shell>(...shells), "bash, zsh or fish", {
  complete: shells,
});

export const completion: Command = {
  flags: [],
  positionals: [shell],
  readOnly: true,
  examples: [
    { line: "source <(ember completion bash)", shows: "for this shell; put it into ~/.bashrc to keep it" },
    { line: "ember completion zsh > ~/.zsh/completions/_ember", shows: "a folder that is in fpath" },
    { line: "ember completion fish > ~/.config/fish/completions/ember.fish", shows: "for fish" },
  ],
  async run(session, args) {
    const [{ root }, { describe }, { completionScript }] = await Promise.all([
      import("./tree.ts"),
      import("../completion/describe.ts"),
      import("../completion/script.ts"),
    ]);
    session.print(completionScript(args.get(shell), await describe(root)));
    return 0;
  },
};
