import type { EmberApi } from "../../api.ts";
import type { Command } from "../parser/command.ts";
import { choice } from "../parser/kinds.ts";
import { one, type Positional } from "../parser/positional.ts";
import { shortImage } from "../render/names.ts";

type Kind = "vm" | "image" | "kernel";

const kind: Positional<Kind> = one("KIND", choice<Kind>("vm", "image", "kernel"), "what to name");

/** For completion scripts: names, one on each line. Says nothing when there is nothing to say, or no installation. */
export const complete: Command = {
  flags: [],
  positionals: [kind],
  readOnly: true,
  examples: [{ line: "ember __complete vm", shows: "names of VMs" }],
  async run(session, args) {
    let names: readonly string[];
    try {
      names = await namesOf(args.get(kind), await session.ember());
    } catch {
      return 1; // an error message would land in the middle of the user's command line
    }
    // Shells expand the words that they are offered: what is no plain name must not reach them.
    const plain = names.filter((name) => /^[A-Za-z0-9._/:@+-]+$/.test(name));
    session.print(plain.map((name) => `${name}\n`).join(""));
    return 0;
  },
};

async function namesOf(what: Kind, ember: EmberApi): Promise<readonly string[]> {
  switch (what) {
    case "vm":
      return (await ember.vms.list()).map((vm) => vm.name);
    case "image":
      return (await ember.images.list()).map((image) => shortImage(image.name));
    case "kernel":
      return (await ember.kernels.list()).map((kernel) => kernel.name);
  }
}
