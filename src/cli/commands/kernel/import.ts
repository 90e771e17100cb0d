import type { Command } from "../../parser/command.ts";
import { defined } from "../../parser/defined.ts";
import { type Flag, value } from "../../parser/flag.ts";
import { path, reference } from "../../parser/kinds.ts";
import { absolutePath } from "../../parser/path-or-name.ts";
import { one, type Positional } from "../../parser/positional.ts";
import { printKernel } from "./created.ts";

const file: Positional<string> = one("FILE", path, "vmlinux, bzImage or Image", { complete: "file" });
const name: Flag<string | undefined> = value("name", "NAME", reference, "what --kernel will take", {
  default: "the file's name",
});
const initrd: Flag<string | undefined> = value(
  "initrd",
  "FILE",
  path,
  "modules that it needs, as a cpio archive",
  {
    complete: "file",
  },
);

export const importKernel: Command = {
  flags: [name, initrd],
  positionals: [file],
  examples: [{ line: "ember kernel import ./vmlinux --name mine", shows: "a kernel that you built" }],
  async run(session, args) {
    const { kernels } = await session.ember();
    const extra = args.get(initrd);
    const options = defined({
      name: args.get(name),
      initrd: extra === undefined ? undefined : absolutePath(extra, session.context),
    });
    const imported = await session.task(`importing ${args.get(file)}`, () =>
      kernels.import(absolutePath(args.get(file), session.context), options),
    );
    printKernel(session, "imported", imported);
    return 0;
  },
};
