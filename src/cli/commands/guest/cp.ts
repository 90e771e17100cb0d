import type { VmApi } from "../../../api.ts";
import { EmberError } from "../../../errors/ember-error.ts";
import type { Command } from "../../parser/command.ts";
import { type Flag, toggle } from "../../parser/flag.ts";
import { absolutePath } from "../../parser/path-or-name.ts";
import { one, type Positional } from "../../parser/positional.ts";
import type { RunningTaskOptions, Session } from "../../session.ts";
import { type Operand, operand } from "./cp-operands.ts";

const source: Positional<Operand> = one("SRC", operand, "path, NAME:PATH, or - for a tar stream", {
  complete: "file",
});
const target: Positional<Operand> = one("DST", operand, "path, NAME:PATH, or - for a tar stream", {
  complete: "file",
});
const recursive: Flag<boolean> = toggle("recursive", "copy a folder with all that is in it", { short: "r" });

export const cp: Command = {
  flags: [recursive],
  positionals: [source, target],
  description: "Exactly one side is in a VM. For a host path with a colon in it write ./a:b.",
  examples: [
    { line: "ember cp app.conf web:/etc/app.conf", shows: "a file into a VM" },
    { line: "ember cp -r web:/var/log ./logs", shows: "a folder out of it" },
    { line: "ember cp a:/data - | ember cp - b:/", shows: "from VM to VM" },
  ],
  async run(session, args) {
    const { label, copy } = plan(session, args.get(source), args.get(target), args.get(recursive));
    const { vms } = await session.ember();
    const { took } = await session.task(label, (options) => copy(vms, options));
    session.note(`copied in ${took}`);
    return 0;
  },
};

interface Plan {
  readonly label: string;
  copy(vms: VmApi, options: RunningTaskOptions): Promise<void>;
}

/** Which call of the library this is. Throws `usage` when it is none. */
function plan(session: Session, from: Operand, to: Operand, deep: boolean): Plan {
  const { context } = session;
  if (to.kind === "guest" && from.kind === "host") {
    const label = `copying ${from.path} to ${to.name}`;
    const path = absolutePath(from.path, context);
    return {
      label,
      copy: (vms, options) => vms.copyIn(to.name, path, to.path, { recursive: deep, ...options }),
    };
  }
  if (from.kind === "guest" && to.kind === "host") {
    const label = `copying from ${from.name}`;
    const path = absolutePath(to.path, context);
    return {
      label,
      copy: (vms, options) => vms.copyOut(from.name, from.path, path, { recursive: deep, ...options }),
    };
  }
  if (to.kind === "guest" && from.kind === "stream") {
    refuseTerminal(context.stdin.isTerminal, "input", "tar -c FOLDER | ember cp - NAME:/path");
    const label = `unpacking in ${to.name}`;
    return { label, copy: (vms, options) => vms.extractTar(to.name, context.stdin.stream, to.path, options) };
  }
  if (from.kind === "guest" && to.kind === "stream") {
    refuseTerminal(context.stdout.isTerminal, "output", "ember cp NAME:/path - > archive.tar");
    const label = `packing from ${from.name}`;
    return {
      label,
      copy: (vms, options) => vms.createTar(from.name, from.path, context.stdout.stream, options),
    };
  }
  throw neitherOrBoth(from, to);
}

function refuseTerminal(isTerminal: boolean, which: "input" | "output", example: string): void {
  if (!isTerminal) return;
  throw new EmberError("usage", `a tar stream cannot be on a terminal, and standard ${which} is one`, {
    hint: `write ${example}`,
  });
}

function neitherOrBoth(from: Operand, to: Operand): EmberError {
  if (from.kind === "guest" && to.kind === "guest") {
    return new EmberError("usage", "both sides are in a VM, and exactly one must be", {
      hint: `from VM to VM: ember cp ${from.name}:${from.path} - | ember cp - ${to.name}:FOLDER`,
    });
  }
  return new EmberError("usage", "neither side is in a VM, and exactly one must be", {
    hint: "write NAME:PATH for the side in the VM: ember cp file web:/tmp/file",
  });
}
