import type { Context } from "../context.ts";
import type { Output } from "../terminal/output.ts";

export type Style = "good" | "warning" | "bad" | "dim" | "bold";

const codes: Readonly<Record<Style, string>> = { good: "32", warning: "33", bad: "31", dim: "2", bold: "1" };

export type Paint = (text: string, style: Style | undefined) => string;

/** How text looks on one output. */
export interface Look {
  /** Columns to fit into; undefined where nothing needs to fit (a file, a pipe). */
  readonly width: number | undefined;
  readonly paint: Paint;
  /** Whether lines and bars may be drawn with characters that ASCII does not have. */
  readonly unicode: boolean;
  readonly ellipsis: string;
  readonly spinner: readonly string[];
}

/** Colours only on a terminal, and not when NO_COLOR says so (no-color.org). */
export function lookOf(output: Output, environment: Context["environment"]): Look {
  const coloured = output.isTerminal && !environment["NO_COLOR"] && environment["TERM"] !== "dumb";
  const unicode = isUnicode(environment);
  return {
    width: output.isTerminal ? Math.max(40, output.columns) : undefined,
    paint: (text, style) => (coloured && style !== undefined ? `\x1b[${codes[style]}m${text}\x1b[0m` : text),
    unicode: output.isTerminal && unicode,
    ellipsis: unicode ? "…" : "..",
    spinner: unicode ? [..."⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"] : [..."|/-\\"],
  };
}

function isUnicode(environment: Context["environment"]): boolean {
  const locale = environment["LC_ALL"] || environment["LC_CTYPE"] || environment["LANG"] || "";
  return /utf-?8/i.test(locale);
}
