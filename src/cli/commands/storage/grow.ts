import type { Command } from "../../parser/command.ts";
import { type Flag, value } from "../../parser/flag.ts";
import { size } from "../../parser/size.ts";
import { renderSize } from "../../render/quantity.ts";

const sizeFlag: Flag<number | undefined> = value("size", "SIZE", size, "its new size", {
  default: "all of the device that it lies on",
});

export const grow: Command = {
  flags: [sizeFlag],
  positionals: [],
  description: "For a storage in a file or on a device of its own. VMs may run meanwhile.",
  examples: [
    { line: "ember storage grow --size 200G", shows: "a storage in a file" },
    { line: "ember storage grow", shows: "after its device was made larger" },
  ],
  async run(session, args) {
    const { storage } = await session.ember();
    const { took } = await session.task("growing the storage", () => storage.grow(args.get(sizeFlag)));
    const { pool } = await storage.usage();
    session.note(`the storage has ${renderSize(pool.capacityBytes)} now (${took})`);
    session.result({ json: pool, text: () => "" });
    return 0;
  },
};
