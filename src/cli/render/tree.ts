import type { TreeNode, VmStatus } from "../../types.ts";
import { shortImage } from "./names.ts";
import { sizeOrDash } from "./quantity.ts";
import type { Look, Style } from "./style.ts";
import { printable, truncate } from "./text.ts";

interface Line {
  /** The lines that lead to the node. */
  readonly branch: string;
  readonly label: string;
  /** A VM's status; what the others are. */
  readonly state: string;
  readonly style: Style | undefined;
  readonly size: string;
}

/** One line for each node: its place, its name, a VM's status (else its kind), and what it has of its own. */
export function renderTree(
  roots: readonly TreeNode[],
  look: Look,
  statusStyle: (status: VmStatus) => Style | undefined,
): string {
  const lines = roots.flatMap((root) => linesOf(root, look, statusStyle));
  const widest = (lengths: readonly number[]): number => Math.max(0, ...lengths);
  const stateWidth = widest(lines.map(({ state }) => state.length));
  const sizeWidth = widest(lines.map(({ size }) => size.length));
  const natural = widest(lines.map(({ branch, label }) => length(branch) + length(label)));
  const room = look.width === undefined ? natural : look.width - stateWidth - sizeWidth - 2 * gap.length;
  const placeWidth = Math.min(natural, Math.max(leastLabel, room));
  return lines
    .map((line) => {
      const place = placeOf(line, placeWidth, look);
      const padding = " ".repeat(placeWidth - length(place));
      const state = look.paint(line.state.padEnd(stateWidth), line.style);
      return `${place}${padding}${gap}${state}${gap}${line.size.padStart(sizeWidth)}\n`;
    })
    .join("");
}

const gap = "  ";
const leastLabel = 20;

const length = (text: string): number => [...text].length;

/** The name matters more than the branch: of a deep one only the end is shown. */
function placeOf({ branch, label }: Line, width: number, look: Look): string {
  const shortened = truncate(
    branch,
    Math.max(0, width - Math.min(length(label), leastLabel)),
    "end",
    look.ellipsis,
  );
  return shortened + truncate(label, width - length(shortened), "ends", look.ellipsis);
}

function linesOf(
  node: TreeNode,
  look: Look,
  statusStyle: (status: VmStatus) => Style | undefined,
  branch = "",
  below = "",
): Line[] {
  const [middle, end, on] = look.unicode ? ["├─ ", "└─ ", "│  "] : ["|- ", "`- ", "|  "];
  const last = node.children.length - 1;
  return [
    {
      branch,
      label: printable(node.kind === "image" ? shortImage(node.name) : node.name),
      state: node.status ?? node.kind,
      style: node.status === null ? "dim" : statusStyle(node.status),
      size: sizeOrDash(node.exclusiveBytes),
    },
    ...node.children.flatMap((child, index) =>
      index === last
        ? linesOf(child, look, statusStyle, `${below}${end}`, `${below}   `)
        : linesOf(child, look, statusStyle, `${below}${middle}`, `${below}${on}`),
    ),
  ];
}
