import type { Command } from "../../parser/command.ts";
import { defined } from "../../parser/defined.ts";
import { age } from "../../parser/duration.ts";
import { type Flag, value } from "../../parser/flag.ts";
import { renderFields } from "../../render/fields.ts";
import { renderSize } from "../../render/quantity.ts";

const olderThan: Flag<number | undefined> = value(
  "older-than",
  "TIME",
  age,
  "only images made longer ago (default: all)",
);

const unusedFor: Flag<number | undefined> = value(
  "unused-for",
  "TIME",
  age,
  "only what no VM or pull has used for so long (default: all)",
);

export const prune: Command = {
  flags: [olderThan, unusedFor],
  positionals: [],
  description: "Deletes images that no VM was made from, and the layers that were kept for the next pulls.",
  examples: [
    { line: "ember image prune --unused-for 14d", shows: "what nobody needed lately" },
    { line: "ember image prune", shows: "every image without a VM, and all layers" },
  ],
  async run(session, args) {
    const { images } = await session.ember();
    const ages = defined({ olderThanMs: args.get(olderThan), unusedForMs: args.get(unusedFor) });
    const { value: report } = await session.task("pruning", (options) =>
      images.prune({ ...ages, ...options }),
    );
    session.result({
      json: report,
      text: () =>
        renderFields(
          [
            ["images", report.images],
            ["layers", report.layers === 0 ? null : report.layers],
            ["freed", renderSize(report.freedBytes)],
          ],
          session.look,
        ),
      quiet: () => report.images.map((name) => `${name}\n`).join(""),
    });
    return 0;
  },
};
