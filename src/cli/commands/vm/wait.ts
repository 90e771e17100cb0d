import type { Command } from "../../parser/command.ts";
import { defined } from "../../parser/defined.ts";
import { duration } from "../../parser/duration.ts";
import { type Flag, value } from "../../parser/flag.ts";
import { choice } from "../../parser/kinds.ts";
import { nameArgument } from "./arguments.ts";

const forFlag: Flag<"ready" | "stopped" | undefined> = value(
  "for",
  "STATE",
  choice("ready", "stopped"),
  "ready: the guest answers; stopped: it has ended",
  { default: "ready", complete: ["ready", "stopped"] },
);
const timeoutFlag: Flag<number | undefined> = value("timeout", "TIME", duration, "fail after this time", {
  default: "wait for ever",
});

export const wait: Command = {
  flags: [forFlag, timeoutFlag],
  positionals: [nameArgument],
  examples: [
    { line: "ember vm wait web --timeout 30s", shows: "until commands can be run in it" },
    { line: "ember vm wait job --for stopped", shows: "until its work is done" },
  ],
  async run(session, args) {
    const { vms } = await session.ember();
    const name = args.get(nameArgument);
    const state = args.get(forFlag) ?? "ready";
    const { took } = await session.task(`waiting for ${name} to be ${state}`, ({ signal }) =>
      vms.wait(name, state, { signal, ...defined({ timeoutMs: args.get(timeoutFlag) }) }),
    );
    session.note(`${name} is ${state} after ${took}`);
    return 0;
  },
};
