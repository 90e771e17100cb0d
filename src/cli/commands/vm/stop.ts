import type { StopVmOptions } from "../../../types.ts";
import type { Arguments } from "../../parser/arguments.ts";
import type { Command } from "../../parser/command.ts";
import { defined } from "../../parser/defined.ts";
import { duration } from "../../parser/duration.ts";
import { type Flag, toggle, value } from "../../parser/flag.ts";
import { namesArgument } from "./arguments.ts";
import { forEachVm } from "./each.ts";

const forceFlag: Flag<boolean> = toggle("force", "switch off at once, as if the power had failed");
const timeoutFlag: Flag<number | undefined> = value(
  "timeout",
  "TIME",
  duration,
  "how long the guest may take before it is switched off",
  { default: "30s" },
);

const stopOptions = (args: Arguments): StopVmOptions => ({
  force: args.get(forceFlag),
  ...defined({ timeoutMs: args.get(timeoutFlag) }),
});

export const stop: Command = {
  flags: [forceFlag, timeoutFlag],
  positionals: [namesArgument],
  description: "Asks the guest to shut down, and waits until it has. Stopping a stopped VM does nothing.",
  examples: [
    { line: "ember vm stop web db", shows: "shut two VMs down" },
    { line: "ember vm stop web --timeout 2m", shows: "be patient" },
    { line: "ember vm stop web --force", shows: "pull the plug" },
  ],
  async run(session, args) {
    const { vms } = await session.ember();
    return await forEachVm(
      session,
      args.get(namesArgument),
      { doing: "stopping", done: "stopped" },
      (name, options) => vms.stop(name, { ...stopOptions(args), ...options }),
    );
  },
};

export const restart: Command = {
  flags: [forceFlag, timeoutFlag],
  positionals: [namesArgument],
  examples: [{ line: "ember vm restart web", shows: "shut down and start again" }],
  async run(session, args) {
    const { vms } = await session.ember();
    const wording = { doing: "restarting", done: "restarted" };
    return await forEachVm(session, args.get(namesArgument), wording, (name, options) =>
      vms.restart(name, { ...stopOptions(args), ...options }),
    );
  },
};
