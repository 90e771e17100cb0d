import type { FileChange } from "../../../types.ts";
import type { Command } from "../../parser/command.ts";
import { one, optional, type Positional } from "../../parser/positional.ts";
import type { Look, Style } from "../../render/style.ts";
import { printable } from "../../render/text.ts";
import { snapshotName, vmArgument } from "./arguments.ts";

const from: Positional<string> = one("A", snapshotName, "a snapshot");
const to: Positional<string | undefined> = optional(
  "B",
  snapshotName,
  "a later snapshot; the disk as it is now when it is left out",
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
    session.result({
      json: changes,
      text: () => changes.map((change) => `${renderChange(change, session.look)}\n`).join(""),
    });
    return 0;
  },
};

const marks: Readonly<Record<FileChange["change"], { readonly mark: string; readonly style: Style }>> = {
  added: { mark: "+", style: "good" },
  removed: { mark: "-", style: "bad" },
  modified: { mark: "M", style: "warning" },
};

/** A path comes from the guest: what could move the cursor does not reach the terminal. */
function renderChange({ change, path, type, aspects }: FileChange, look: Look): string {
  const { mark, style } = marks[change];
  const shown = printable(path) + (type === "directory" && !path.endsWith("/") ? "/" : "");
  const detail = aspects.length === 0 ? "" : look.paint(` (${aspects.join(", ")})`, "dim");
  return `${look.paint(mark, style)} ${shown}${detail}`;
}
