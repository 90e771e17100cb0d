import type { Command } from "../../parser/command.ts";
import { defined } from "../../parser/defined.ts";
import { type Flag, value } from "../../parser/flag.ts";
import { vmName } from "../../parser/kinds.ts";
import { networkChoice } from "../../parser/network.ts";
import { pathOrName } from "../../parser/path-or-name.ts";
import { one, type Positional } from "../../parser/positional.ts";
import { cpusFlag, diskSizeFlag, fullCopyFlag, kernelFlag, memoryFlag, noStartFlag } from "./arguments.ts";
import { printCreated } from "./created.ts";

const source: Positional<string> = one("SOURCE", vmName, "the VM to fork", { complete: "vm" });
const name: Positional<string> = one("NAME", vmName, "name of the new VM");
const inherited = "the source's";
const cpus = cpusFlag(inherited);
const memory = memoryFlag(inherited);
const diskSize = diskSizeFlag(inherited);
const kernel = kernelFlag(inherited);
const network: Flag<string | undefined> = value(
  "network",
  "NET",
  networkChoice,
  "default, none, or a subnet",
  {
    default: inherited,
  },
);

export const fork: Command = {
  flags: [cpus, memory, diskSize, kernel, network, noStartFlag, fullCopyFlag],
  positionals: [source, name],
  description:
    "The new VM begins with the source's disk as it is now; from then on neither sees the other's changes.",
  examples: [
    { line: "ember vm fork web web-test", shows: "try something without risk" },
    { line: "ember vm fork web big --memory 4G", shows: "with more memory" },
  ],
  async run(session, args) {
    const { vms } = await session.ember();
    const fresh = args.get(name);
    const made = await session.task(`forking ${args.get(source)} to ${fresh}`, (options) =>
      vms.fork(args.get(source), {
        name: fresh,
        start: !args.get(noStartFlag),
        fullCopy: args.get(fullCopyFlag),
        ...defined({
          cpus: args.get(cpus),
          memoryBytes: args.get(memory),
          diskBytes: args.get(diskSize),
          kernel: pathOrName(args.get(kernel), session.context),
          network: args.get(network),
        }),
        ...options,
      }),
    );
    await printCreated(session, "forked", made);
    return 0;
  },
};
