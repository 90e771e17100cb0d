import type { EmberApi } from "../../api.ts";
import type { Command } from "../parser/command.ts";
import { choice, text } from "../parser/kinds.ts";
import { one, optional, type Positional } from "../parser/positional.ts";
import { shortImage } from "../render/names.ts";

type Kind = "vm" | "image" | "kernel" | "snapshot";

const kind: Positional<Kind> = one("KIND", choice<Kind>("vm", "image", "kernel", "snapshot"), "what to name");
const vm: Positional<string | undefined> = optional("VM", text, "whose snapshots");

/** For completion scripts: names, one on each line. Says nothing when there is nothing to say, or no installation. */
export const complete: Command = {
  flags: [],
  positionals: [kind, vm],
  readOnly: true,
  examples: [{ line: "ember __complete vm", shows: "names of VMs" }],
  async run(session, args) {
    let names: readonly string[];
    try {
      names = await namesOf(await session.ember(), args.get(kind), args.get(vm));
    } catch {
      return 1; // an error message would land in the middle of the user's command line
    }
    // Shells expand the words that they are offered: what is no plain name must not reach them.
    const plain = names.filter((name) => /^[A-Za-z0-9._/:@+-]+$/.test(name));
    session.print(plain.map((name) => `${name}\n`).join(""));
    return 0;
  },
};

async function namesOf(ember: EmberApi, what: Kind, owner: string | undefined): Promise<readonly string[]> {
  switch (what) {
    case "vm":
      return (await ember.vms.list()).map((vm) => vm.name);
    case "image":
      return (await ember.images.list()).map((image) => shortImage(image.name));
    case "kernel":
      return (await ember.kernels.list()).map((kernel) => kernel.name);
    case "snapshot":
      return owner === undefined ? [] : (await ember.snapshots.list(owner)).map((snapshot) => snapshot.name);
  }
}
