import type { Progress } from "../../types.ts";
import { renderElapsed, renderSize } from "./quantity.ts";
import type { Look } from "./style.ts";
import { printable, truncate } from "./text.ts";

export interface RunningTask {
  readonly label: string;
  readonly startedAtMs: number;
  progress: Progress | undefined;
}

/**
 * One line for everything that is going on: spinner, what is being done, its present step, a bar when the end is
 * known, and the time it has taken. Never wider than the terminal: a line that wraps cannot be redrawn.
 */
export function progressLine(
  tasks: readonly RunningTask[],
  frame: number,
  nowMs: number,
  look: Look,
  prefix = "",
): string {
  const task = tasks.at(-1);
  if (task === undefined) return "";
  const spinner = look.spinner[frame % look.spinner.length] ?? "";
  const others = tasks.length > 1 ? ` (and ${tasks.length - 1} more)` : "";
  const step = task.progress === undefined ? "" : `: ${printable(task.progress.step)}`;
  const elapsed = renderElapsed(Math.floor((nowMs - task.startedAtMs) / 100) * 100);
  // Room for the "^C" that the terminal echoes: it must not wrap the line either.
  const width = (look.width ?? 80) - 5;
  const tail = fittingTail(task.progress, elapsed, width);
  const room = Math.max(1, width - spinner.length - 1 - 2 - tail.length);
  const head = truncate(`${prefix}${printable(task.label)}${others}${step}`, room, "start", look.ellipsis);
  return `${look.paint(spinner, "good")} ${head}  ${look.paint(tail, "dim")}`;
}

/** What is being done matters most: in a narrow terminal the bar goes first. */
function fittingTail(progress: Progress | undefined, elapsed: string, width: number): string {
  const withAmount = [amount(progress), elapsed].filter((part) => part !== "").join("  ");
  return withAmount.length + 24 <= width ? withAmount : elapsed;
}

const barWidth = 16;

/** "[####............] 25% of 20M"; of things that can be counted "[####............] 25 of 100". */
export function amount(progress: Omit<Progress, "step"> | undefined): string {
  const { done, total } = progress ?? {};
  if (done === undefined) return "";
  const shown = progress?.unit === "items" ? String : renderSize;
  if (total === undefined || total <= 0) return shown(done);
  const share = Math.min(1, Math.max(0, done / total));
  const full = Math.round(share * barWidth);
  const bar = `[${"#".repeat(full)}${".".repeat(barWidth - full)}]`;
  const how = progress?.unit === "items" ? done : `${Math.floor(share * 100)}%`;
  return `${bar} ${how} of ${shown(total)}`;
}
