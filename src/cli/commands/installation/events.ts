import type { EmberEvent } from "../../../types.ts";
import type { Command } from "../../parser/command.ts";
import { defined } from "../../parser/defined.ts";
import { moment } from "../../parser/duration.ts";
import { type Flag, toggle, value } from "../../parser/flag.ts";
import { printable } from "../../render/text.ts";

const followFlag: Flag<boolean> = toggle("follow", "go on with what happens from now on", { short: "f" });
const sinceFlag: Flag<string | undefined> = value(
  "since",
  "WHEN",
  (input, what) => moment(input, what, Date.now()),
  "from then on: 1h (ago), or 2026-01-31T12:00:00Z",
  { default: "all that is kept" },
);

export const events: Command = {
  flags: [followFlag, sinceFlag],
  positionals: [],
  description: "With --format json each event is one line.",
  readOnly: true,
  examples: [
    { line: "ember events --since 1h", shows: "the last hour" },
    { line: "ember events -f --format json", shows: "for a program that watches" },
  ],
  async run(session, args) {
    const ember = await session.ember();
    const options = {
      follow: args.get(followFlag),
      signal: session.signal,
      ...defined({ since: args.get(sinceFlag) }),
    };
    for await (const event of ember.events(options)) {
      if (session.format === "json") session.printLine(event);
      else session.print(`${line(event)}\n`);
    }
    return 0;
  },
};

function line(event: EmberEvent): string {
  const details = Object.entries(event.detail).map(([key, detail]) => `${key}=${String(detail)}`);
  return printable([event.at, event.kind.padEnd(16), event.subject, ...details].join("  ").trimEnd());
}
