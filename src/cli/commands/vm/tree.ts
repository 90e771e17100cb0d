import { firstImageCommand } from "#platform";
import type { Command } from "../../parser/command.ts";
import { renderTree } from "../../render/tree.ts";
import { statusStyle } from "./status-style.ts";

export const tree: Command = {
  flags: [],
  positionals: [],
  description:
    "Below each image the VMs made from it, below a VM its snapshots and forks. The size is what each has of its own, " +
    "'-' where the storage cannot know it.",
  readOnly: true,
  examples: [{ line: "ember vm tree", shows: "images, VMs, snapshots and forks" }],
  async run(session) {
    const { vms } = await session.ember();
    const roots = await vms.tree();
    session.result({ json: roots, text: () => renderTree(roots, session.look, statusStyle) });
    if (roots.length === 0) session.note(`nothing yet; make an image: ${firstImageCommand}`);
    return 0;
  },
};
