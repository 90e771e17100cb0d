import type { Command } from "../../parser/command.ts";
import { defined } from "../../parser/defined.ts";
import { type Flag, value } from "../../parser/flag.ts";
import { count, vmName } from "../../parser/kinds.ts";
import { networkChoice } from "../../parser/network.ts";
import { pathOrName } from "../../parser/path-or-name.ts";
import { one, type Positional } from "../../parser/positional.ts";
import { plural } from "../../render/text.ts";
import type { Session, Timed } from "../../session.ts";
import { cpusFlag, diskSizeFlag, fullCopyFlag, kernelFlag, memoryFlag, noStartFlag } from "./arguments.ts";
import { printCreated } from "./created.ts";
import { policyFlags } from "./policy-flags.ts";
import { secretsOf } from "./settings.ts";

const source: Positional<string> = one("SOURCE", vmName, "the VM to fork", { complete: "vm" });
const name: Positional<string> = one(
  "NAME",
  vmName,
  "name of the new VM; with --count, what the names begin with",
);
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
  { default: inherited },
);

const reach = policyFlags(inherited);

const countFlag: Flag<number | undefined> = value(
  "count",
  "N",
  count,
  "make N forks of one moment, at most 1000: NAME-1, NAME-2, ... (all or none)",
);

export const fork: Command = {
  flags: [countFlag, cpus, memory, diskSize, kernel, network, ...reach.flags, noStartFlag, fullCopyFlag],
  positionals: [source, name],
  description:
    "The new VM begins with the source's disk as it is now; from then on neither sees the other's changes. A running " +
    "source goes on running: its file systems are frozen for the moment. What is said of where it may connect to replaces " +
    "all that holds for the source.",
  examples: [
    { line: "ember vm fork web web-test", shows: "try something without risk" },
    { line: "ember vm fork web big --memory 4G", shows: "with more memory" },
    { line: "ember vm fork web agent --count 100", shows: "agent-1 to agent-100, one name on each line" },
  ],
  async run(session, args) {
    const { vms } = await session.ember();
    const fresh = args.get(name);
    const many = args.get(countFlag);
    const secrets = await secretsOf({ secrets: reach.secretsOf(args, session.context) }, session.context);
    const label =
      many === undefined ? `forking ${args.get(source)} to ${fresh}` : `forking ${args.get(source)}`;
    const made = await session.task(label, (options) =>
      vms.fork(args.get(source), {
        name: fresh,
        ...defined({ count: many }),
        start: !args.get(noStartFlag),
        fullCopy: args.get(fullCopyFlag),
        ...reach.policyOf(args),
        ...secrets,
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
    if (many === undefined) await printCreated(session, "forked", made);
    else await printMany(session, forkNames(fresh, many), made);
    return 0;
  },
};

/** As the library calls them. */
const forkNames = (name: string, many: number): string[] =>
  Array.from({ length: many }, (_, index) => `${name}-${index + 1}`);

async function printMany(
  session: Session,
  names: readonly string[],
  { took }: Timed<unknown>,
): Promise<void> {
  const { vms } = await session.ember();
  const all = session.format === "json" ? await vms.list() : [];
  const byName = new Map(all.map((vm) => [vm.name, vm]));
  session.result({
    json: names.flatMap((name) => byName.get(name) ?? []),
    text: () => names.map((name) => `${name}\n`).join(""),
  });
  session.note(`forked ${plural(names.length, "VM")} in ${took}`);
}
