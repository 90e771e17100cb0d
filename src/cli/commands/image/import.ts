import type { Command } from "../../parser/command.ts";
import { type Flag, requiredValue } from "../../parser/flag.ts";
import { path, reference } from "../../parser/kinds.ts";
import { absolutePath } from "../../parser/path-or-name.ts";
import { one, type Positional } from "../../parser/positional.ts";
import { printImage } from "./created.ts";

const file: Positional<string> = one(
  "FILE",
  path,
  "cloud image (qcow2 or raw); tar archive (plain, gzip, xz or zstd) of a root file system, of docker save or of an OCI layout; or an OCI layout",
  {
    complete: "file",
  },
);
const name: Flag<string> = requiredValue("name", "NAME", reference, "what --image will take");

export const importImage: Command = {
  flags: [name],
  positionals: [file],
  examples: [
    { line: "ember image import rootfs.tar.zst --name mine", shows: "a root file system of your own" },
    { line: "ember image import debian-12-genericcloud-amd64.qcow2 --name cloud", shows: "a cloud image" },
    { line: "ember image import saved.tar --name app", shows: "what 'docker save app -o saved.tar' wrote" },
  ],
  async run(session, args) {
    const { images } = await session.ember();
    const from = absolutePath(args.get(file), session.context);
    const made = await session.task(`importing ${args.get(file)}`, (options) =>
      images.import(from, { name: args.get(name), ...options }),
    );
    printImage(session, "imported", made);
    return 0;
  },
};
