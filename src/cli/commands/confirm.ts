import { createInterface } from "node:readline";
import { EmberError } from "../../errors/ember-error.ts";
import type { Session } from "../session.ts";

/**
 * Asks on the terminal whether to go on; `yes` (-y) answers before it is asked. Throws `usage` where nobody can be asked, and
 * `interrupted` for any other answer than yes.
 */
export async function confirm(session: Session, yes: boolean, what: string): Promise<void> {
  if (yes) return;
  const { stdin, stderr } = session.context;
  if (!stdin.isTerminal || !stderr.isTerminal) {
    throw new EmberError("usage", `${what}, and nobody is here to be asked`, { hint: "say yes with -y" });
  }
  stderr.write(`${what}. Go on? [y/N] `);
  if (/^y(es)?$/i.test((await readAnswer(session)).trim())) return;
  throw new EmberError("interrupted", "it was not begun");
}

/** One line; "" at the input's end and when the command is interrupted. */
function readAnswer(session: Session): Promise<string> {
  const lines = createInterface({ input: session.context.stdin.stream, signal: session.signal });
  return new Promise((resolve) => {
    lines.once("line", (line) => {
      resolve(line);
      lines.close();
    });
    lines.once("close", () => resolve(""));
  });
}
