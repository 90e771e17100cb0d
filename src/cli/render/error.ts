import { toEmberError } from "../../errors/ember-error.ts";
import type { Format } from "../parser/globals.ts";
import type { Look } from "./style.ts";
import { printable } from "./text.ts";

/** `error:` and `hint:` lines, or the same as one line of JSON. */
export function renderError(thrown: unknown, format: Format, look: Look, verbose: boolean): string {
  const error = toEmberError(thrown);
  if (format === "json") {
    const body = { code: error.code, message: error.message, hint: error.hint ?? null };
    return `${JSON.stringify({ error: body })}\n`;
  }
  const parts = [`${look.paint("error:", "bad")} ${indented(error.message)}`];
  if (error.hint !== undefined) parts.push(`${look.paint("hint:", "warning")} ${indented(error.hint)}`);
  if (verbose) parts.push(...causes(error).map((line) => look.paint(printable(line), "dim")));
  return `${parts.join("\n")}\n`;
}

/** A tool's own words may take several lines; they stay below the message. */
const indented = (text: string): string => text.trim().split(/\r?\n/).map(printable).join("\n  ");

function causes(error: Error): string[] {
  const lines: string[] = [];
  let current: unknown = error;
  for (let depth = 0; current instanceof Error && depth < 8; depth++) {
    lines.push(...(current.stack ?? current.message).split("\n"));
    current = current.cause;
    if (current instanceof Error) lines.push("caused by:");
  }
  return lines;
}
