import type { Look } from "./style.ts";

export interface BarPart {
  /** Of the whole bar, 0 to 1. */
  readonly share: number;
  readonly shade: "full" | "half";
}

/** A bar of `width` characters. A part that is there at all shows, however small its share. */
export function renderBar(parts: readonly BarPart[], width: number, look: Look): string {
  const marks = look.unicode ? { full: "█", half: "▒", rest: "·" } : { full: "#", half: "=", rest: "." };
  const there = parts.filter(({ share }) => share > 0);
  let text = "";
  for (const [index, { share, shade }] of there.entries()) {
    const later = there.length - 1 - index; // what comes after must show as well
    const length = Math.min(Math.max(1, Math.round(share * width)), width - text.length - later);
    text += marks[shade].repeat(Math.max(0, length));
  }
  return text.padEnd(width, marks.rest);
}
