import { EmberError } from "../../../errors/ember-error.ts";
import type { Command } from "../../parser/command.ts";
import { defined } from "../../parser/defined.ts";
import { duration } from "../../parser/duration.ts";
import { type Flag, list, toggle, value } from "../../parser/flag.ts";
import { keyValue, record, text } from "../../parser/kinds.ts";
import { nameArgument } from "../vm/arguments.ts";
import { interactiveFlag, refuseTtyWithoutTerminal, ttyFlag } from "./interactive.ts";
import { withStreams } from "./terminal.ts";

const user: Flag<string | undefined> = value("user", "USER", text, "run as this user", {
  default: "the VM's",
});
const workdir: Flag<string | undefined> = value("workdir", "DIR", text, "run in this folder of the guest");
const env: Flag<readonly (readonly [string, string])[]> = list(
  "env",
  "KEY=VALUE",
  keyValue,
  "set a variable",
  {
    short: "e",
  },
);
const detach: Flag<boolean> = toggle("detach", "leave it running, print its process id", { short: "d" });
const timeout: Flag<number | undefined> = value(
  "timeout",
  "TIME",
  duration,
  "kill the command after this time",
  {
    default: "no limit",
  },
);

export const exec: Command = {
  flags: [user, workdir, env, interactiveFlag, ttyFlag, detach, timeout],
  positionals: [nameArgument],
  rest: { name: "COMMAND", summary: "program and arguments, handed on word for word", required: true },
  description:
    "The exit status is the command's own; 128 + n when signal n killed it. Standard input is handed on only with " +
    "-i, so that loops which read a file keep it. No shell is involved: for pipes and variables run sh -c '...'.",
  examples: [
    { line: "ember exec web -- uname -a", shows: "one command" },
    { line: "ember exec -it web -- bash", shows: "a shell" },
    { line: "ember exec -i db -- psql < dump.sql", shows: "with input" },
  ],
  async run(session, args) {
    const name = args.get(nameArgument);
    const options = {
      ...defined({ user: args.get(user), workdir: args.get(workdir), timeoutMs: args.get(timeout) }),
      environment: record(args.get(env)),
    };
    const streams = { interactive: args.get(interactiveFlag), tty: args.get(ttyFlag) };
    if (args.get(detach)) {
      if (streams.interactive || streams.tty) {
        throw new EmberError("usage", "--detach goes with neither -i nor -t", {
          hint: "leave out one of them",
        });
      }
      const { vms } = await session.ember();
      const started = await vms.exec(name, args.rest, {
        ...options,
        detach: true,
        signal: session.signal,
      });
      const { pid, exitStatus } = started;
      if (pid !== undefined)
        session.result({
          json: { pid },
          text: () => `${pid}
`,
        });
      return exitStatus;
    }
    refuseTtyWithoutTerminal(session.context, streams);
    const { vms } = await session.ember();
    const result = await withStreams(session.context, streams, (wired) =>
      vms.exec(name, args.rest, { ...options, ...wired }),
    );
    return result.exitStatus;
  },
};
