import type { FileChange } from "../../types.ts";
import type { Look, Style } from "./style.ts";
import { printable } from "./text.ts";

const marks: Readonly<Record<FileChange["change"], { readonly mark: string; readonly style: Style }>> = {
  added: { mark: "+", style: "good" },
  removed: { mark: "-", style: "bad" },
  modified: { mark: "M", style: "warning" },
};

/** One line for each file; nothing when nothing differs. A path comes from the guest and is shown without control
 *  characters. */
export function renderChanges(changes: readonly FileChange[], look: Look): string {
  return changes
    .toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
    .map((change) => `${renderChange(change, look)}\n`)
    .join("");
}

function renderChange({ change, path, type, aspects }: FileChange, look: Look): string {
  const { mark, style } = marks[change];
  const shown = printable(path) + (type === "directory" && !path.endsWith("/") ? "/" : "");
  const detail = aspects.length === 0 ? "" : look.paint(` (${aspects.join(", ")})`, "dim");
  return `${look.paint(mark, style)} ${shown}${detail}`;
}
