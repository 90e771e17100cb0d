import type { Command } from "../../parser/command.ts";
import { reference } from "../../parser/kinds.ts";
import { one, type Positional } from "../../parser/positional.ts";
import { printKernel } from "./created.ts";

const preset: Positional<string> = one(
  "PRESET",
  reference,
  "debian: the distribution's own cloud kernel; stock: the one that Firecracker's developers test with",
  {
    complete: ["debian", "stock"],
  },
);

export const pull: Command = {
  flags: [],
  positionals: [preset],
  description:
    "Debian's is checked against the archive's signature; stock has none, so its checksum is kept and checked from then on.",
  examples: [
    { line: "ember kernel pull debian", shows: "the distribution's newest" },
    { line: "ember kernel pull stock", shows: "a small kernel without modules" },
  ],
  async run(session, args) {
    const { kernels } = await session.ember();
    const what = args.get(preset);
    const pulled = await session.task(`pulling kernel ${what}`, (options) => kernels.pull(what, options));
    printKernel(session, "pulled", pulled);
    return 0;
  },
};
