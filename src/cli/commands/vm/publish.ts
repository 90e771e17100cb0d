import type { HostPort, PortMapping } from "../../../types.ts";
import type { Command } from "../../parser/command.ts";
import { hostPorts, portMappings } from "../../parser/ports.ts";
import { many, type Positional } from "../../parser/positional.ts";
import { renderPort } from "../../render/ports.ts";
import type { Session } from "../../session.ts";
import { nameArgument } from "./arguments.ts";

const mappings: Positional<readonly (readonly PortMapping[])[]> = many(
  "PORTS",
  portMappings,
  "[ADDRESS:]HOST:GUEST[/udp], ports or ranges; address 127.0.0.1 unless given",
);
const published: Positional<readonly (readonly HostPort[])[]> = many(
  "PORTS",
  hostPorts,
  "[ADDRESS:]HOST[:GUEST][/udp], ports or ranges",
);

export const publish: Command = {
  flags: [],
  positionals: [nameArgument, mappings],
  description:
    "Adds to what the VM publishes, at once when it runs, and from then on at each start: all of them, or none.",
  examples: [
    { line: "ember vm publish web 8080:80", shows: "127.0.0.1:8080 leads to port 80 of the guest" },
    {
      line: "ember vm publish web 0.0.0.0:8000-8010:8000-8010 53:53/udp",
      shows: "a range, for everybody; and UDP",
    },
  ],
  async run(session, args) {
    const { vms } = await session.ember();
    const name = args.get(nameArgument);
    const { value } = await session.task(`publishing ports of ${name}`, () =>
      vms.publish(name, args.get(mappings).flat()),
    );
    print(session, value);
    return 0;
  },
};

export const unpublish: Command = {
  flags: [],
  positionals: [nameArgument, published],
  description: "Open connections through the port end. Prints what the VM still publishes.",
  examples: [
    { line: "ember vm unpublish web 8080", shows: "give host port 8080 back" },
    { line: "ember vm unpublish web 8000-8010 53/udp", shows: "a range, and a port of UDP" },
  ],
  async run(session, args) {
    const { vms } = await session.ember();
    const name = args.get(nameArgument);
    const { value } = await session.task(`unpublishing ports of ${name}`, () =>
      vms.unpublish(name, args.get(published).flat()),
    );
    print(session, value);
    return 0;
  },
};

function print(session: Session, ports: readonly PortMapping[]): void {
  session.result({ json: ports, text: () => ports.map((port) => `${renderPort(port)}\n`).join("") });
}
