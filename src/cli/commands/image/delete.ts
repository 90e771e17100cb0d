import type { Command } from "../../parser/command.ts";
import { type Flag, toggle } from "../../parser/flag.ts";
import { imageArgument } from "./arguments.ts";

const forceFlag: Flag<boolean> = toggle("force", "also when VMs were made from it: they are deleted with it");

export const deleteImage: Command = {
  flags: [forceFlag],
  positionals: [imageArgument],
  description: "Refuses while there are VMs made from the image, and lists them.",
  examples: [{ line: "ember image delete nginx", shows: "an image that nothing uses" }],
  async run(session, args) {
    const { images } = await session.ember();
    const name = args.get(imageArgument);
    const { took } = await session.task(`deleting ${name}`, (options) =>
      images.delete(name, { force: args.get(forceFlag), ...options }),
    );
    session.note(`deleted ${name} in ${took}`);
    return 0;
  },
};
