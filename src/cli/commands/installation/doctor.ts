import type { DoctorCheck } from "../../../types.ts";
import type { Command } from "../../parser/command.ts";
import type { Look, Style } from "../../render/style.ts";
import { printable, wrap } from "../../render/text.ts";

const styles: Readonly<Record<DoctorCheck["status"], Style>> = {
  ok: "good",
  warning: "warning",
  missing: "bad",
};

export const doctor: Command = {
  flags: [],
  positionals: [],
  description: "Exit status 5 when something is missing that ember cannot do without.",
  readOnly: true,
  examples: [{ line: "ember doctor", shows: "what is missing, why it matters, and the remedy" }],
  async run(session) {
    const ember = await session.ember();
    const { value: checks } = await session.task("checking this host", () => ember.doctor());
    session.result({ json: checks, text: () => checks.map((check) => render(check, session.look)).join("") });
    return checks.some((check) => check.status === "missing") ? 5 : 0;
  },
};

/** One line for what is well; below what is not, why it matters and what to do. */
function render(check: DoctorCheck, look: Look): string {
  const indent = " ".repeat(9);
  const room = (look.width ?? 100) - indent.length;
  const lines = wrap(printable(`${check.name}: ${check.detail}`), room);
  if (check.status !== "ok") {
    lines.push(...wrap(printable(check.why), room));
    if (check.remedy !== null) lines.push(...wrap(printable(`remedy: ${check.remedy}`), room));
  }
  const [first = "", ...more] = lines;
  const status = look.paint(check.status.padEnd(indent.length), styles[check.status]);
  return [`${status}${first}`, ...more.map((line) => indent + line)].map((line) => `${line}\n`).join("");
}
