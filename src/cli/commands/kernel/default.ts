import type { Command } from "../../parser/command.ts";
import { kernelArgument } from "./arguments.ts";

export const setDefault: Command = {
  flags: [],
  positionals: [kernelArgument],
  description: "VMs that exist keep theirs; see: ember vm update --kernel.",
  examples: [{ line: "ember kernel default mine", shows: "new VMs boot it from now on" }],
  async run(session, args) {
    const { kernels } = await session.ember();
    const name = args.get(kernelArgument);
    await kernels.setDefault(name);
    session.note(`new VMs boot ${name}`);
    return 0;
  },
};
