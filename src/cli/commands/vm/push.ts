import type { Command } from "../../parser/command.ts";
import { reference } from "../../parser/kinds.ts";
import { one, type Positional } from "../../parser/positional.ts";
import { pushFlags, pushOptions } from "../image/registry-flags.ts";
import { nameArgument } from "./arguments.ts";

const target: Positional<string> = one("REF", reference, "where to: ghcr.io/owner/name:tag");

export const push: Command = {
  flags: pushFlags,
  positionals: [nameArgument, target],
  description:
    "A running VM is frozen for a moment. Everything on the disk is sent: remove secrets from it first.",
  examples: [
    {
      line: "ember vm push web ghcr.io/acme/web:1",
      shows: "then elsewhere: ember vm create --image ghcr.io/acme/web:1",
    },
  ],
  async run(session, args) {
    const { vms } = await session.ember();
    const name = args.get(nameArgument);
    const { took, value } = await session.task(`pushing ${name}`, (options) =>
      vms.push(name, { reference: args.get(target), ...pushOptions(args, session.context), ...options }),
    );
    session.result({
      json: value,
      text: () => `pushed ${name} to ${value.reference} as ${value.digest} in ${took}\n`,
      quiet: () => `${value.digest}\n`,
    });
    return 0;
  },
};
