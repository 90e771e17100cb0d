import { EmberError } from "../../../errors/ember-error.ts";
import type { Context } from "../../context.ts";
import { type Flag, toggle } from "../../parser/flag.ts";
import type { Streams } from "./terminal.ts";

export const interactiveFlag: Flag<boolean> = toggle("interactive", "hand standard input on", { short: "i" });
export const ttyFlag: Flag<boolean> = toggle("tty", "give the command a terminal", { short: "t" });

/** Input that is no terminal would be echoed and cooked by the guest's one: never what was meant. Throws `usage`. */
export function refuseTtyWithoutTerminal(context: Context, streams: Streams): void {
  if (streams.tty && streams.interactive && !context.stdin.isTerminal) {
    throw new EmberError("usage", "-t needs a terminal, and standard input is none", {
      hint: "leave out -t: use -i",
    });
  }
}
