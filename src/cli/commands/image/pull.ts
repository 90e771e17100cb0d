import { EmberError } from "../../../errors/ember-error.ts";
import type { Command } from "../../parser/command.ts";
import { defined } from "../../parser/defined.ts";
import { type Flag, type Parser, value } from "../../parser/flag.ts";
import { reference, shown } from "../../parser/kinds.ts";
import { one, type Positional } from "../../parser/positional.ts";
import { nameFlag } from "./arguments.ts";
import { printImage } from "./created.ts";
import { registryFlags, registryOptions } from "./registry-flags.ts";

const platform: Parser<string> = (input, what) => {
  if (/^[a-z0-9]+\/[a-z0-9_]+(\/[a-z0-9]+)?$/.test(input)) return input;
  throw new EmberError("usage", `${what} '${shown(input)}' is not a platform`, {
    hint: "write OS/ARCH: linux/amd64 or linux/arm64",
  });
};

const from: Positional<string> = one(
  "REF",
  reference,
  "nginx, ghcr.io/owner/name:tag, oci:FOLDER[:TAG] or docker-archive:FILE",
);
const name = nameFlag("the full reference");
const platformFlag: Flag<string | undefined> = value(
  "platform",
  "OS/ARCH",
  platform,
  "which of the image's variants",
  {
    default: "this host's",
    complete: ["linux/amd64", "linux/arm64"],
  },
);

export const pull: Command = {
  flags: [name, platformFlag, ...registryFlags],
  positionals: [from],
  description: "Takes any reference that Docker takes. Nothing is written into the image.",
  examples: [
    { line: "ember image pull nginx", shows: "from Docker Hub" },
    { line: "ember image pull ghcr.io/acme/app:2.1 --name app", shows: "under a short name" },
    { line: "ember image pull nginx --mirror mirror.lan:5000 --ca lan.pem", shows: "from a mirror first" },
    { line: "ember image pull oci:./build:latest --name app", shows: "from a folder" },
  ],
  async run(session, args) {
    const { images } = await session.ember();
    const wanted = args.get(from);
    const pulled = await session.task(`pulling ${wanted}`, (options) =>
      images.pull({
        reference: wanted,
        ...registryOptions(args, session.context),
        ...defined({ name: args.get(name), platform: args.get(platformFlag) }),
        ...options,
      }),
    );
    printImage(session, "pulled", pulled);
    return 0;
  },
};
