import type { TrimReport } from "../../../types.ts";
import type { Command } from "../../parser/command.ts";
import { vmName } from "../../parser/kinds.ts";
import { any, type Positional } from "../../parser/positional.ts";
import { renderSize } from "../../render/quantity.ts";

const names: Positional<readonly string[]> = any("VM", vmName, "VMs to trim; all when none is named", {
  complete: "vm",
});

export const trim: Command = {
  flags: [],
  positionals: [names],
  description:
    "Running guests discard what they have freed, so that their disks shrink. VMs that do not run are passed over: " +
    "they were trimmed when they stopped.",
  examples: [{ line: "ember storage trim", shows: "all running VMs" }],
  async run(session, args) {
    const { storage } = await session.ember();
    const { value: reports } = await session.task("trimming", (options) =>
      storage.trim(args.get(names), options),
    );
    session.result({
      json: reports,
      text: () => reports.map((report) => `${renderTrim(report)}\n`).join(""),
    });
    return 0;
  },
};

function renderTrim({ vm, trimmed, trimmedBytes }: TrimReport): string {
  return trimmed ? `${vm}: ${renderSize(trimmedBytes)} discarded` : `${vm}: not trimmed`;
}
