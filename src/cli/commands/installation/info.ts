import type { Command } from "../../parser/command.ts";
import { renderInfo } from "./info-fields.ts";

export const info: Command = {
  flags: [],
  positionals: [],
  readOnly: true,
  examples: [{ line: "ember info", shows: "version, drivers in use, capacity, paths" }],
  async run(session) {
    const ember = await session.ember();
    const installation = await ember.info();
    session.result({ json: installation, text: () => renderInfo(installation, session.look) });
    return 0;
  },
};
