import type { TreeNode, VmStatus } from "../../types.ts";
import { shortImage } from "./names.ts";
import { renderSize } from "./quantity.ts";
import type { Look, Style } from "./style.ts";
import { printable, truncate } from "./text.ts";

interface Line {
  readonly branch: string;
  readonly node: TreeNode;
}

/** One line for each node: its place, its name, a VM's status, and what it has of its own. */
export function renderTree(
  roots: readonly TreeNode[],
  look: Look,
  statusStyle: (status: VmStatus) => Style | undefined,
): string {
  const lines = roots.flatMap((root) => linesOf(root, "", "", look));
  const names = lines.map(({ branch, node }) => branch + labelOf(node));
  const statuses = lines.map(({ node }) => node.status ?? "");
  const sizes = lines.map(({ node }) =>
    node.exclusiveBytes === null ? "-" : renderSize(node.exclusiveBytes),
  );
  const statusWidth = Math.max(0, ...statuses.map((status) => status.length));
  const sizeWidth = Math.max(1, ...sizes.map((size) => size.length));
  const natural = Math.max(0, ...names.map((name) => [...name].length));
  const room = look.width === undefined ? natural : look.width - statusWidth - sizeWidth - 4;
  const nameWidth = Math.min(natural, Math.max(16, room));
  return lines
    .map(({ node }, index) => {
      const name = truncate(names[index] ?? "", nameWidth, "start", look.ellipsis);
      const style = node.status === null ? "dim" : statusStyle(node.status);
      const status = (statuses[index] ?? "").padEnd(statusWidth);
      const padding = " ".repeat(nameWidth - [...name].length);
      return `${name}${padding}  ${look.paint(status, style)}  ${(sizes[index] ?? "").padStart(sizeWidth)}\n`;
    })
    .join("");
}

function labelOf(node: TreeNode): string {
  if (node.kind === "image") return `${printable(shortImage(node.name))} (image)`;
  return node.kind === "snapshot" ? `@${printable(node.name)}` : printable(node.name);
}

function linesOf(node: TreeNode, branch: string, below: string, look: Look): Line[] {
  const unicode = look.ellipsis === "…";
  const [middle, end, on] = unicode ? ["├─ ", "└─ ", "│  "] : ["|- ", "`- ", "|  "];
  const last = node.children.length - 1;
  return [
    { branch, node },
    ...node.children.flatMap((child, index) =>
      linesOf(child, below + (index === last ? end : middle), below + (index === last ? "   " : on), look),
    ),
  ];
}
