import type { Command } from "../../parser/command.ts";
import { one, optional, type Positional } from "../../parser/positional.ts";
import { renderChanges } from "../../render/file-changes.ts";
import { snapshotName, vmArgument } from "./arguments.ts";

const from: Positional<string> = one("A", snapshotName, "a snapshot", { complete: "snapshot" });
const to: Positional<string | undefined> = optional(
  "B",
  snapshotName,
  "a later snapshot; the disk as it is now when it is left out",
  { complete: "snapshot" },
);

export const diff: Command = {
  flags: [],
  positionals: [vmArgument, from, to],
  description:
    "'+' was added, '-' was removed, 'M' was modified, with what differs. No line: nothing differs.",
  examples: [
    { line: "ember snapshot diff web clean", shows: "what changed since the snapshot" },
    { line: "ember snapshot diff web clean upgraded", shows: "between two snapshots" },
  ],
  async run(session, args) {
    const { snapshots } = await session.ember();
    const vm = args.get(vmArgument);
    const { value: changes } = await session.task(`comparing ${vm}`, (options) =>
      snapshots.diff(vm, args.get(from), args.get(to), options),
    );
    session.result({ json: changes, text: () => renderChanges(changes, session.look) });
    return 0;
  },
};
