import { EmberError } from "../../../errors/ember-error.ts";
import type { Command } from "../../parser/command.ts";
import { type Flag, toggle, value } from "../../parser/flag.ts";
import { reference, vmName } from "../../parser/kinds.ts";
import { one, type Positional } from "../../parser/positional.ts";
import { interactiveFlag, refuseTtyWithoutTerminal, ttyFlag } from "../guest/interactive.ts";
import { registryFlags } from "../image/registry-flags.ts";
import { describingFlags } from "../vm/create-flags.ts";
import { runDetached } from "./detached.ts";
import { runForeground } from "./foreground.ts";
import { prepare } from "./prepare.ts";

const image: Positional<string> = one("IMAGE", reference, "image to start from; pulled when absent", {
  complete: "image",
});
const name: Flag<string | undefined> = value("name", "NAME", vmName, "name of the VM", {
  default: "made up",
});
const keep: Flag<boolean> = toggle("keep", "do not delete the VM afterwards");
const detach: Flag<boolean> = toggle(
  "detach",
  "leave it running, print its name; it powers off when its command ends",
  {
    short: "d",
  },
);

export const run: Command = {
  flags: [name, keep, detach, interactiveFlag, ttyFlag, ...describingFlags, ...registryFlags],
  positionals: [image],
  rest: { name: "COMMAND", summary: "runs in place of the image's own command", required: false },
  description:
    "The exit status is the command's own. The VM is deleted when the command ends, fails or is interrupted, unless " +
    "--keep or -d says otherwise. Standard input is handed on only with -i.",
  examples: [
    { line: "ember run debian -- uname -a", shows: "one command" },
    { line: "ember run -it debian -- bash", shows: "a shell to play with" },
    { line: "ember run -d --name web -p 8080:80 nginx", shows: "a server" },
  ],
  async run(session, args) {
    const streams = { interactive: args.get(interactiveFlag), tty: args.get(ttyFlag) };
    if (args.get(detach) && (streams.interactive || streams.tty)) {
      throw new EmberError("usage", "-d goes with neither -i nor -t", { hint: "leave out one of them" });
    }
    refuseTtyWithoutTerminal(session.context, streams);
    const plan = await prepare(session, args, { image: args.get(image), name: args.get(name) });
    if (args.get(detach)) return await runDetached(session, plan);
    return await runForeground(session, plan, streams, args.get(keep));
  },
};
