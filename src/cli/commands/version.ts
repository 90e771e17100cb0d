import { version as current } from "../../version.ts";
import type { Command } from "../parser/command.ts";

export const version: Command = {
  flags: [],
  positionals: [],
  readOnly: true,
  examples: [{ line: "ember version --format json", shows: "for scripts" }],
  async run(session) {
    session.result({
      json: { version: current },
      text: () => `ember ${current}\n`,
      quiet: () => `${current}\n`,
    });
    return 0;
  },
};
