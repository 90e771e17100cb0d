import { platformName } from "#platform";
import { EmberError } from "../../../errors/ember-error.ts";
import type { HostResolver } from "../../../types.ts";
import type { Command } from "../../parser/command.ts";
import { type Flag, toggle, value } from "../../parser/flag.ts";
import { count } from "../../parser/kinds.ts";

const portFlag: Flag<number | undefined> = value(
  "port",
  "PORT",
  count,
  "answer this host's questions at 127.0.0.1:PORT from now on, while VMs run (user)",
);
const offFlag: Flag<boolean> = toggle("off", "answer them no more");

export const resolver: Command = {
  flags: [portFlag, offFlag],
  positionals: [],
  description:
    "Prints a file for this host, by which it finds web.ember.internal: with a port, one that sends questions about VMs there (on Linux " +
    "for systemd-resolved); else lines for /etc/hosts, to be printed again when VMs come and go. A name leads to the VM's address where " +
    "this host can reach that (tap), else to 127.0.0.1, where published ports and 'ember forward' are.",
  examples: [
    { line: "ember net resolver | sudo tee -a /etc/hosts", shows: "then http://web.ember.internal:8080" },
    {
      line: "ember net resolver --port 15353",
      shows: "all VMs, those to come too; says where the file goes",
    },
    { line: "ember net resolver --off", shows: "undo that" },
  ],
  async run(session, args) {
    const { network } = await session.ember();
    const [port, off] = [args.get(portFlag), args.get(offFlag)];
    if (port !== undefined && off) {
      throw new EmberError("usage", "--port goes without --off", { hint: "leave out one of them" });
    }
    const asked = off ? null : port;
    const found = asked === undefined ? await network.hostResolver() : await network.answerHost(asked);
    const file = off ? undefined : fileFor(found);
    session.result({ json: { ...found, file: file ?? null }, text: () => file?.content ?? "" });
    if (off)
      session.note(`this host's questions are answered no more; remove ${systemFile(0).path} if you made it`);
    else if (found.port !== null) session.note(`put this into ${file?.path}${activation}`);
    else if (found.names.length === 0) session.note("no VM has a name yet");
    return 0;
  },
};

interface SystemFile {
  readonly path: string;
  readonly content: string;
}

function fileFor({ port, names }: HostResolver): SystemFile {
  if (port !== null) return systemFile(port);
  const lines = names.map(({ name, address }) => `${address} ${name} # ember\n`);
  return { path: "/etc/hosts", content: lines.join("") };
}

/** resolver(5) of macOS, resolved.conf(5) of systemd. */
function systemFile(port: number): SystemFile {
  return platformName === "darwin"
    ? { path: "/etc/resolver/ember.internal", content: `nameserver 127.0.0.1\nport ${port}\n` }
    : {
        path: "/etc/systemd/resolved.conf.d/ember.conf",
        content: `[Resolve]\nDNS=127.0.0.1:${port}\nDomains=~ember.internal\n`,
      };
}

const activation = platformName === "darwin" ? "" : ", then: systemctl restart systemd-resolved";
