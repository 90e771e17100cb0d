import type { Command } from "../../parser/command.ts";
import { duration } from "../../parser/duration.ts";
import { type Flag, value } from "../../parser/flag.ts";
import { renderFields } from "../../render/fields.ts";
import { renderSize } from "../../render/quantity.ts";

const olderThan: Flag<number | undefined> = value(
  "older-than",
  "TIME",
  duration,
  "only what was made, or last of use, longer ago (default: all)",
);

export const prune: Command = {
  flags: [olderThan],
  positionals: [],
  description: "Deletes images that no VM was made from, and the layers that were kept for the next pulls.",
  examples: [
    { line: "ember image prune --older-than 14d", shows: "what nobody needed lately" },
    { line: "ember image prune", shows: "every image without a VM, and all layers" },
  ],
  async run(session, args) {
    const { images } = await session.ember();
    const olderThanMs = args.get(olderThan);
    const { value: report } = await session.task("pruning", (options) =>
      images.prune({ ...(olderThanMs === undefined ? {} : { olderThanMs }), ...options }),
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
