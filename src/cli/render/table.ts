import type { Look, Style } from "./style.ts";
import { type Keep, printable, truncate } from "./text.ts";

export interface Column<Row> {
  readonly title: string;
  value(row: Row): string;
  readonly align?: "right";
  /** May be cut down to this many characters when the table is too wide. */
  readonly shrink?: { readonly minimum: number; readonly keep: Keep };
  style?(row: Row): Style | undefined;
}

const gap = "  ";

/** A table with a heading, fitted to the width of the terminal; nothing is cut where there is none. */
export function renderTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], look: Look): string {
  const cells = cellsOf(columns, rows);
  const widths = fit(columns, cells, look.width);
  const lines = rows.map((row, index) =>
    columns.map((column, position) => {
      const text = cut(cells[index]?.[position] ?? "", column, widths[position] ?? 0, look);
      return pad(text, column, widths, position, look.paint(text, column.style?.(row)));
    }),
  );
  const heading = columns.map((column, position) =>
    pad(column.title, column, widths, position, look.paint(column.title, "bold")),
  );
  return [heading, ...lines].map((parts) => `${parts.join(gap).trimEnd()}\n`).join("");
}

/** How wide the table is where nothing is cut. */
export function naturalWidth<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): number {
  const widths = fit(columns, cellsOf(columns, rows), undefined);
  return widths.reduce((sum, width) => sum + width, 0) + gap.length * (columns.length - 1);
}

function cellsOf<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[][] {
  return rows.map((row) => columns.map((column) => printable(column.value(row)) || "-"));
}

/** Natural widths, then one character at a time from the widest column that may shrink. */
function fit<Row>(
  columns: readonly Column<Row>[],
  cells: readonly (readonly string[])[],
  available: number | undefined,
): number[] {
  const widths = columns.map((column, position) =>
    Math.max(column.title.length, ...cells.map((row) => [...(row[position] ?? "")].length)),
  );
  if (available === undefined) return widths;
  let excess = widths.reduce((sum, width) => sum + width, 0) + gap.length * (columns.length - 1) - available;
  while (excess > 0) {
    let widest = -1;
    for (const [position, column] of columns.entries()) {
      const width = widths[position] ?? 0;
      const minimum = Math.max(column.shrink?.minimum ?? Number.POSITIVE_INFINITY, column.title.length);
      if (width > minimum && width > (widths[widest] ?? 0)) widest = position;
    }
    if (widest === -1) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
    excess -= 1;
  }
  return widths;
}

function cut<Row>(text: string, column: Column<Row>, width: number, look: Look): string {
  return truncate(text, width, column.shrink?.keep ?? "start", look.ellipsis);
}

/** Spaces are counted on the plain text: the painted one holds invisible characters. */
function pad<Row>(
  plain: string,
  column: Column<Row>,
  widths: readonly number[],
  position: number,
  painted: string,
): string {
  const spaces = " ".repeat(Math.max(0, (widths[position] ?? 0) - [...plain].length));
  if (column.align === "right") return spaces + painted;
  return position === widths.length - 1 ? painted : painted + spaces;
}
