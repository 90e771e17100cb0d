import type { Command } from "../../parser/command.ts";
import { defined } from "../../parser/defined.ts";
import { type Flag, value } from "../../parser/flag.ts";
import { path, reference, text } from "../../parser/kinds.ts";
import { absolutePath } from "../../parser/path-or-name.ts";
import { one, optional, type Positional } from "../../parser/positional.ts";
import { printImage } from "./created.ts";

const name: Positional<string> = one("NAME", reference, "what --image will take");
const context: Positional<string | undefined> = optional(
  "CONTEXT",
  path,
  "folder with what the Dockerfile copies (default: .)",
  {
    complete: "file",
  },
);
const file: Flag<string | undefined> = value("file", "FILE", path, "the Dockerfile (default: in CONTEXT)", {
  short: "f",
});
const builder: Flag<string | undefined> = value(
  "builder",
  "NAME",
  text,
  "buildah, podman or docker (default: the first that is installed)",
);

export const build: Command = {
  flags: [file, builder],
  positionals: [name, context],
  description:
    "The builder keeps its own cache, so that the next build is quick. Without CONTEXT and --file, and with no Dockerfile " +
    "here, the developer image is built: Debian with systemd, common tools, and a user 'dev' with sudo.",
  examples: [
    { line: "ember image build app", shows: "the Dockerfile of this folder" },
    { line: "ember image build dev", shows: "where there is no Dockerfile: the developer image" },
    { line: "ember image build app -f docker/Dockerfile.dev .", shows: "another one" },
  ],
  async run(session, args) {
    const { images } = await session.ember();
    const folder = absolutePath(args.get(context) ?? ".", session.context);
    const dockerfile = args.get(file);
    const made = await session.task(`building ${args.get(name)}`, (options) =>
      images.build(folder, {
        name: args.get(name),
        ...defined({
          file: dockerfile === undefined ? undefined : absolutePath(dockerfile, session.context),
          builder: args.get(builder),
          orDeveloper: args.get(context) === undefined && dockerfile === undefined ? true : undefined,
        }),
        ...options,
      }),
    );
    printImage(session, "built", made);
    return 0;
  },
};
