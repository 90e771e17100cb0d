import type { Command } from "../../parser/command.ts";
import { defined } from "../../parser/defined.ts";
import { reference } from "../../parser/kinds.ts";
import { one, type Positional } from "../../parser/positional.ts";
import { nameFlag } from "./arguments.ts";
import { printImage } from "./created.ts";

const distribution: Positional<string> = one(
  "DISTRIBUTION",
  reference,
  "debian or ubuntu, or debian:SUITE or ubuntu:SUITE",
  { complete: ["debian", "ubuntu"] },
);
const name = nameFlag("the distribution");

export const bootstrap: Command = {
  flags: [name],
  positionals: [distribution],
  description:
    "Downloads the packages from the mirror that this host uses, or from the distribution's own, and checks their signatures.",
  examples: [
    { line: "ember image bootstrap debian", shows: "Debian 12 (bookworm)" },
    { line: "ember image bootstrap debian:trixie --name trixie", shows: "another release" },
    { line: "ember image bootstrap ubuntu", shows: "Ubuntu 24.04 (noble)" },
  ],
  async run(session, args) {
    const { images } = await session.ember();
    const what = args.get(distribution);
    const made = await session.task(`making ${what}`, (options) =>
      images.bootstrap(what, { ...defined({ name: args.get(name) }), ...options }),
    );
    printImage(session, "made", made);
    return 0;
  },
};
