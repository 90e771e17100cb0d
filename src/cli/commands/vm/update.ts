import { EmberError } from "../../../errors/ember-error.ts";
import type { Command } from "../../parser/command.ts";
import { defined } from "../../parser/defined.ts";
import { pathOrName } from "../../parser/path-or-name.ts";
import { cpusFlag, kernelFlag, memoryFlag, nameArgument } from "./arguments.ts";

const cpus = cpusFlag("as it is");
const memory = memoryFlag("as it is");
const kernel = kernelFlag("as it is");

export const update: Command = {
  flags: [cpus, memory, kernel],
  positionals: [nameArgument],
  description: "The VM must be stopped; the change holds from its next start.",
  examples: [{ line: "ember vm update web --cpus 4 --memory 2G", shows: "make it bigger" }],
  async run(session, args) {
    const changes = defined({
      cpus: args.get(cpus),
      memoryBytes: args.get(memory),
      kernel: pathOrName(args.get(kernel), session.context),
    });
    if (Object.keys(changes).length === 0) {
      throw new EmberError("usage", "nothing to change", { hint: "give --cpus, --memory or --kernel" });
    }
    const { vms } = await session.ember();
    const name = args.get(nameArgument);
    await session.task(`updating ${name}`, () => vms.update(name, changes));
    session.note(`updated ${name}`);
    return 0;
  },
};
