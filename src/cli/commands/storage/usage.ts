import type { Command } from "../../parser/command.ts";
import { renderUsage } from "../../render/storage-usage.ts";

export const usage: Command = {
  flags: [],
  positionals: [],
  description:
    "PROVISIONED is a disk's size, REFERENCED what it holds; of that, EXCLUSIVE is its alone, and SHARED is held by " +
    "others as well. FREES is what deleting it gives back, for a VM together with its snapshots. '-' is what this storage " +
    "cannot know. On a terminal a bar shows a disk's share of what the pool holds: exclusive, then shared.",
  readOnly: true,
  examples: [
    { line: "ember storage usage", shows: "all images, VMs and snapshots" },
    { line: "ember storage usage --format json", shows: "the same in bytes" },
  ],
  async run(session) {
    const { storage } = await session.ember();
    const report = await storage.usage();
    session.result({ json: report, text: () => renderUsage(report, session.look) });
    return 0;
  },
};
