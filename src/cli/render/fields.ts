import type { Look } from "./style.ts";
import { printable } from "./text.ts";

/** What a field may hold; null and undefined leave the line out, a list takes one line for each entry. */
export type FieldValue = string | number | boolean | null | undefined | readonly string[];

/** "name    value" lines for one thing, as `inspect` and `info` show it. */
export function renderFields(fields: readonly (readonly [string, FieldValue])[], look: Look): string {
  const shown = fields.filter(
    ([, value]) => value !== null && value !== undefined && lines(value).length > 0,
  );
  const width = Math.max(0, ...shown.map(([title]) => title.length));
  return shown
    .flatMap(([title, value]) =>
      lines(value).map((text, index) => {
        const label = (index === 0 ? title : "").padEnd(width);
        return `${look.paint(label, "bold")}  ${printable(text)}`.trimEnd();
      }),
    )
    .map((text) => `${text}\n`)
    .join("");
}

function lines(value: FieldValue): readonly string[] {
  if (value === null || value === undefined) return [];
  if (typeof value === "boolean") return [value ? "yes" : "no"];
  return typeof value === "object" ? value : [String(value)];
}
