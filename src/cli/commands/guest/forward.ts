import { EmberError } from "../../../errors/ember-error.ts";
import type { Command } from "../../parser/command.ts";
import { vmName } from "../../parser/kinds.ts";
import { type ForwardPort, forwardPort } from "../../parser/ports.ts";
import { many, one, type Positional } from "../../parser/positional.ts";

/** A VM, also by the name that VMs know it by. */
const nameArgument: Positional<string> = one(
  "NAME",
  (input, what) => vmName(input.replace(/\.ember\.internal\.?$/, ""), what),
  "name of the VM: web, or web.ember.internal",
  { complete: "vm" },
);
const ports: Positional<readonly ForwardPort[]> = many(
  "PORTS",
  forwardPort,
  "[ADDRESS:]HOSTPORT:GUESTPORT; address 127.0.0.1 unless given",
);

export const forward: Command = {
  flags: [],
  positionals: [nameArgument, ports],
  description: "Goes on until it is interrupted or the VM stops. For ports that last, see vm create -p.",
  readOnly: true,
  examples: [
    { line: "ember forward db 5432:5432", shows: "reach a database from this host" },
    { line: "ember forward web 0.0.0.0:8080:80 8443:443", shows: "several, one of them for everybody" },
  ],
  async run(session, args) {
    const { vms } = await session.ember();
    const name = args.get(nameArgument);
    await using forwarding = await vms.forward(name, args.get(ports));
    session.result({
      json: forwarding.ports,
      text: () => forwarding.ports.map((port) => `${address(port)} -> ${name}:${port.guestPort}\n`).join(""),
    });
    const aborted = new Promise<"aborted">((resolve) => {
      if (session.signal.aborted) resolve("aborted");
      session.signal.addEventListener("abort", () => resolve("aborted"), { once: true });
    });
    const end = await Promise.race([forwarding.closed, aborted]);
    if (end === "aborted") return 0;
    throw new EmberError("wrong-state", `the VM '${name}' has stopped`, {
      hint: `start it: ember vm start ${name}`,
    });
  },
};

function address({ bind, hostPort }: ForwardPort): string {
  return `${bind.includes(":") ? `[${bind}]` : bind}:${hostPort}`;
}
