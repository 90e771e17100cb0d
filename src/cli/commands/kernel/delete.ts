import type { Command } from "../../parser/command.ts";
import { kernelArgument } from "./arguments.ts";

export const deleteKernel: Command = {
  flags: [],
  positionals: [kernelArgument],
  description: "Refuses while VMs use the kernel, and lists them.",
  examples: [{ line: "ember kernel delete mine", shows: "a kernel that nothing uses" }],
  async run(session, args) {
    const { kernels } = await session.ember();
    const name = args.get(kernelArgument);
    await kernels.delete(name);
    session.note(`deleted ${name}`);
    return 0;
  },
};
