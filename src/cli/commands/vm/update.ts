import { EmberError } from "../../../errors/ember-error.ts";
import type { UpdateVmOptions } from "../../../types.ts";
import type { Arguments } from "../../parser/arguments.ts";
import type { Command } from "../../parser/command.ts";
import { defined } from "../../parser/defined.ts";
import { type Flag, toggle } from "../../parser/flag.ts";
import { pathOrName } from "../../parser/path-or-name.ts";
import type { Session } from "../../session.ts";
import { cpusFlag, kernelFlag, memoryFlag, nameArgument } from "./arguments.ts";
import { policyFlags } from "./policy-flags.ts";
import { secretsOf } from "./settings.ts";

const asItIs = "as it is";
const cpus = cpusFlag(asItIs);
const memory = memoryFlag(asItIs);
const kernel = kernelFlag(asItIs);
const reach = policyFlags(asItIs);
const noSecrets: Flag<boolean> = toggle("no-secrets", "take all secrets away");

export const update: Command = {
  flags: [cpus, memory, kernel, ...reach.flags, noSecrets],
  positionals: [nameArgument],
  description:
    "Processors, memory and kernel are changed of a stopped VM. Where it may connect to, and its secrets, also while it runs: at " +
    "once, for open connections too. What is said replaces the whole policy, or all secrets.",
  examples: [
    { line: "ember vm update web --cpus 4 --memory 2G", shows: "make it bigger" },
    { line: "ember vm update web --egress none", shows: "cut it off from the outside, now" },
    { line: "ember vm update bot --secret TOKEN=@token --secret-host api.github.com", shows: "a new token" },
  ],
  async run(session, args) {
    const changes = await changesOf(session, args);
    if (Object.keys(changes).length === 0) {
      throw new EmberError("usage", "nothing to change", {
        hint: "give --cpus, --memory, --kernel, a policy such as --egress, or --secret",
      });
    }
    const { vms } = await session.ember();
    const name = args.get(nameArgument);
    await session.task(`updating ${name}`, () => vms.update(name, changes));
    session.note(`updated ${name}`);
    return 0;
  },
};

async function changesOf(session: Session, args: Arguments): Promise<UpdateVmOptions> {
  const { context } = session;
  const secrets = await secretsOf({ secrets: reach.secretsOf(args, context) }, context);
  if (args.get(noSecrets) && secrets.secrets !== undefined) {
    throw new EmberError("usage", "--no-secrets goes with no --secret", {
      hint: "leave it out: the secrets that are given replace all others",
    });
  }
  return {
    ...defined({
      cpus: args.get(cpus),
      memoryBytes: args.get(memory),
      kernel: pathOrName(args.get(kernel), context),
    }),
    ...reach.policyOf(args),
    ...(args.get(noSecrets) ? { secrets: [] } : secrets),
  };
}
