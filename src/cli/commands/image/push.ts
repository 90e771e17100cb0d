import type { Command } from "../../parser/command.ts";
import { type Flag, toggle } from "../../parser/flag.ts";
import { reference } from "../../parser/kinds.ts";
import { one, type Positional } from "../../parser/positional.ts";
import { imageArgument } from "./arguments.ts";

const target: Positional<string> = one("REF", reference, "where to: ghcr.io/owner/name:tag");
const noTlsVerify: Flag<boolean> = toggle("no-tls-verify", "allow plain http and unknown certificates");

export const push: Command = {
  flags: [noTlsVerify],
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
      images.push(name, { reference: args.get(target), tlsVerify: !args.get(noTlsVerify), ...options }),
    );
    session.result({
      json: value,
      text: () => `pushed ${name} to ${value.reference} as ${value.digest} in ${took}\n`,
      quiet: () => `${value.digest}\n`,
    });
    return 0;
  },
};
