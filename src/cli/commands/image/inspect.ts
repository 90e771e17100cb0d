import { quoteCommand } from "../../../guest/quote.ts";
import type { ImageDetails } from "../../../types.ts";
import type { Command } from "../../parser/command.ts";
import { type FieldValue, renderFields } from "../../render/fields.ts";
import { renderSize } from "../../render/quantity.ts";
import { imageArgument } from "./arguments.ts";

export const inspect: Command = {
  flags: [],
  positionals: [imageArgument],
  readOnly: true,
  examples: [{ line: "ember image inspect debian", shows: "where it came from and what it runs" }],
  async run(session, args) {
    const { images } = await session.ember();
    const image = await images.inspect(args.get(imageArgument));
    session.result({ json: image, text: () => renderFields(fields(image), session.look) });
    return 0;
  },
};

function fields(image: ImageDetails): readonly (readonly [string, FieldValue])[] {
  const { config } = image;
  const command = (words: readonly string[]): string | null =>
    words.length === 0 ? null : quoteCommand(words);
  return [
    ["name", image.name],
    ["id", image.id],
    ["source", image.source],
    ["digest", image.digest],
    ["architecture", image.architecture],
    ["file system", image.fileSystem],
    ["disk", renderSize(image.diskBytes)],
    ["used", renderSize(image.usedBytes)],
    ["created", image.createdAt],
    ["last used", image.lastUsedAt],
    ["entrypoint", command(config.entrypoint)],
    ["command", command(config.command)],
    ["environment", config.environment],
    ["user", config.user || null],
    ["folder", config.workdir || null],
    ["stop signal", config.stopSignal || null],
    ["ports", config.exposedPorts],
    ["labels", Object.entries(config.labels).map(([key, value]) => `${key}=${value}`)],
    ["vms", image.vms],
  ];
}
