import type { Command } from "../../parser/command.ts";
import { renderFields } from "../../render/fields.ts";

export const reconcile: Command = {
  flags: [],
  positionals: [],
  description:
    "Every command that changes something does this first; here it is on its own, and tells what it did.",
  examples: [{ line: "ember reconcile", shows: "after a crash or a power failure" }],
  async run(session) {
    const ember = await session.ember();
    const { value: report } = await session.task("looking for leftovers", () => ember.reconcile());
    const { finished, undone, stopped, removed } = report;
    const nothing = [finished, undone, stopped, removed].every((list) => list.length === 0);
    session.result({
      json: report,
      text: () =>
        nothing
          ? "nothing to do\n"
          : renderFields(Object.entries({ finished, undone, stopped, removed }), session.look),
    });
    return 0;
  },
};
