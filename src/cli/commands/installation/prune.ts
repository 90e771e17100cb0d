import { EmberError } from "../../../errors/ember-error.ts";
import type { Command } from "../../parser/command.ts";
import { type Flag, toggle } from "../../parser/flag.ts";
import { renderFields } from "../../render/fields.ts";
import { renderSize } from "../../render/quantity.ts";

const images: Flag<boolean> = toggle("images", "images that no VM was made from");
const kernels: Flag<boolean> = toggle("kernels", "kernels that no VM uses, but not the default one");
const cache: Flag<boolean> = toggle("cache", "downloads that are kept to save time");
const all: Flag<boolean> = toggle("all", "all of these");

export const prune: Command = {
  flags: [images, kernels, cache, all],
  positionals: [],
  description: "Deletes only what nothing uses, and only what you name.",
  examples: [
    { line: "ember prune --cache", shows: "what can be fetched again" },
    { line: "ember prune --all", shows: "everything that nothing uses" },
  ],
  async run(session, args) {
    const everything = args.get(all);
    const wanted = {
      images: everything || args.get(images),
      kernels: everything || args.get(kernels),
      cache: everything || args.get(cache),
    };
    if (!Object.values(wanted).includes(true)) {
      throw new EmberError("usage", "nothing to prune was named", {
        hint: "give --images, --kernels, --cache or --all",
      });
    }
    const ember = await session.ember();
    const { value: report } = await session.task("pruning", () => ember.prune(wanted));
    session.result({
      json: report,
      text: () =>
        renderFields(
          [
            ["images", report.images],
            ["kernels", report.kernels],
            ["cache files", report.cacheFiles === 0 ? null : report.cacheFiles],
            ["freed", renderSize(report.freedBytes)],
          ],
          session.look,
        ),
    });
    return 0;
  },
};
