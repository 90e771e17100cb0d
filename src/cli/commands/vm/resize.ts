import type { Command } from "../../parser/command.ts";
import { type Flag, requiredValue } from "../../parser/flag.ts";
import { size } from "../../parser/size.ts";
import { renderSize } from "../../render/quantity.ts";
import { nameArgument } from "./arguments.ts";

const diskSize: Flag<number> = requiredValue("disk-size", "SIZE", size, "the disk's new size, such as 20G");

export const resize: Command = {
  flags: [diskSize],
  positionals: [nameArgument],
  description:
    "Disks only grow. The file system grows with the disk: at once when the VM runs, else when it starts.",
  examples: [{ line: "ember vm resize web --disk-size 20G", shows: "more room, without a restart" }],
  async run(session, args) {
    const { vms } = await session.ember();
    const name = args.get(nameArgument);
    const bytes = args.get(diskSize);
    const { took } = await session.task(`resizing ${name}`, (options) => vms.resize(name, bytes, options));
    session.note(`the disk of ${name} has ${renderSize(bytes)} now (${took})`);
    return 0;
  },
};
