import type { Command } from "../../parser/command.ts";
import { reference } from "../../parser/kinds.ts";
import { one, type Positional } from "../../parser/positional.ts";
import { imageArgument } from "./arguments.ts";
import { pushFlags, pushOptions } from "./registry-flags.ts";

const target: Positional<string> = one("REF", reference, "where to: ghcr.io/owner/name:tag");

export const push: Command = {
  flags: pushFlags,
  positionals: [imageArgument, target],
  description: "The registry gets the disk in chunks; those that it has are not sent again.",
  examples: [
    {
      line: "ember image push debian ghcr.io/acme/debian:1",
      shows: "then elsewhere: ember vm create --image ghcr.io/acme/debian:1",
    },
  ],
  async run(session, args) {
    const { images } = await session.ember();
    const name = args.get(imageArgument);
    const { took, value } = await session.task(`pushing ${name}`, (options) =>
      images.push(name, { reference: args.get(target), ...pushOptions(args, session.context), ...options }),
    );
    session.result({
      json: value,
      text: () => `pushed ${name} to ${value.reference} as ${value.digest} in ${took}\n`,
      quiet: () => `${value.digest}\n`,
    });
    return 0;
  },
};
