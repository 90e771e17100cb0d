import type { Command } from "../../parser/command.ts";
import { namesArgument } from "./arguments.ts";
import { forEachVm } from "./each.ts";

export const pause: Command = {
  flags: [],
  positionals: [namesArgument],
  description: "The guest stands still and keeps its memory; it uses no processor time until it is resumed.",
  examples: [{ line: "ember vm pause web", shows: "halt a VM where it is" }],
  async run(session, args) {
    const { vms } = await session.ember();
    return await forEachVm(session, args.get(namesArgument), { doing: "pausing", done: "paused" }, (name) =>
      vms.pause(name),
    );
  },
};

export const resume: Command = {
  flags: [],
  positionals: [namesArgument],
  examples: [{ line: "ember vm resume web", shows: "let a paused VM go on" }],
  async run(session, args) {
    const { vms } = await session.ember();
    return await forEachVm(session, args.get(namesArgument), { doing: "resuming", done: "resumed" }, (name) =>
      vms.resume(name),
    );
  },
};
