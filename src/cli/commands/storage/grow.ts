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
    const ember = await session.ember();
    const { took } = await session.task("growing the storage", () => ember.storage.grow(args.get(sizeFlag)));
    const { capacity } = await ember.info();
    const now = capacity === null ? "" : ` to ${renderSize(capacity.totalBytes)}`;
    session.result({ json: capacity, text: () => `grew the storage${now} in ${took}\n`, quiet: () => "" });
    return 0;
  },
};
