import type { Command } from "../../parser/command.ts";
import { reference } from "../../parser/kinds.ts";
import { one, type Positional } from "../../parser/positional.ts";
import { printKernel } from "./created.ts";

const preset: Positional<string> = one("PRESET", reference, "debian: the distribution's own cloud kernel", {
  complete: ["debian"],
});

export const pull: Command = {
  flags: [],
  positionals: [preset],
  description: "The download is checked against the publisher's signature.",
  examples: [{ line: "ember kernel pull debian", shows: "the distribution's newest" }],
  async run(session, args) {
    const { kernels } = await session.ember();
    const what = args.get(preset);
    const pulled = await session.task(`pulling kernel ${what}`, (options) => kernels.pull(what, options));
    printKernel(session, "pulled", pulled);
    return 0;
  },
};
