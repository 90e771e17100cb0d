import { firstImageCommand } from "#platform";
import type { ImageSummary } from "../../../types.ts";
import type { Command } from "../../parser/command.ts";
import { shortImage } from "../../render/names.ts";
import { renderAge, renderSize } from "../../render/quantity.ts";
import { type Column, renderTable } from "../../render/table.ts";

export const list: Command = {
  flags: [],
  positionals: [],
  readOnly: true,
  examples: [{ line: "ember image list", shows: "all images" }],
  async run(session) {
    const { images } = await session.ember();
    const all = await images.list();
    session.result({
      json: all,
      text: () => (all.length === 0 ? "" : renderTable(columns(session.context.now()), all, session.look)),
      quiet: () => all.map((image) => `${image.name}\n`).join(""),
    });
    if (all.length === 0) session.note(`no images yet; make one: ${firstImageCommand}`);
    return 0;
  },
};

const columns = (nowMs: number): Column<ImageSummary>[] => [
  { title: "NAME", value: (image) => shortImage(image.name), shrink: { minimum: 12, keep: "end" } },
  { title: "DIGEST", value: (image) => shortDigest(image.digest) },
  { title: "ARCH", value: (image) => image.architecture },
  { title: "DISK", align: "right", value: (image) => renderSize(image.diskBytes) },
  { title: "USED", align: "right", value: (image) => renderSize(image.usedBytes) },
  { title: "AGE", align: "right", value: (image) => renderAge(image.createdAt, nowMs) },
];

/** Twelve digits tell images apart, as people are used to. */
const shortDigest = (digest: string): string => digest.replace(/^sha256:/, "").slice(0, 12);
