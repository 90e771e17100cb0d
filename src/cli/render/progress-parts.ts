import type { ProgressPart } from "../../types.ts";
import { amount } from "./progress-line.ts";
import type { Look } from "./style.ts";
import { printable, truncate } from "./text.ts";

/** However many things go on, the screen does not scroll. */
const mostLines = 8;
const nameWidth = 12;

/**
 * A line for each part that is under way, and one that counts them all: those that are done, or have not begun, are only
 * numbers in it. None for a single part, which the whole's own line shows. At most `room` lines.
 */
export function partLines(parts: readonly ProgressPart[], look: Look, room: number): readonly string[] {
  if (parts.length < 2 || room < 2) return [];
  const underWay = parts.filter(({ done, total }) => done > 0 && done < total);
  const shown = underWay.slice(0, Math.min(mostLines, room - 1));
  const done = parts.filter((part) => part.done >= part.total).length;
  const count = `  ${done} of ${parts.length} done`;
  const more = underWay.length > shown.length ? `, ${underWay.length - shown.length} more under way` : "";
  return [...shown.map((part) => partLine(part, look)), look.paint(fit(`${count}${more}`, look), "dim")];
}

function partLine(part: ProgressPart, look: Look): string {
  const name = truncate(printable(part.name), nameWidth, "start", look.ellipsis).padEnd(nameWidth);
  return look.paint(fit(`  ${name}  ${amount(part)}`, look), "dim");
}

/** A line that wraps cannot be redrawn, and the "^C" that the terminal echoes must not wrap it either. */
const fit = (line: string, look: Look): string =>
  truncate(line, Math.max(1, (look.width ?? 80) - 5), "start", look.ellipsis);
