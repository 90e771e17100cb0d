import { isIP } from "node:net";
import { EmberError } from "../../errors/ember-error.ts";
import type { HostPort, PortMapping } from "../../types.ts";
import type { Parser } from "./flag.ts";
import { shown } from "./kinds.ts";

export interface ForwardPort {
  readonly bind: string;
  readonly hostPort: number;
  readonly guestPort: number;
}

const mostPorts = 1024;

/** "[BIND:]HOST:GUEST[/udp]", ports or ranges of the same length. Only this host can reach them unless BIND says otherwise. Throws `usage`. */
export const portMappings: Parser<readonly PortMapping[]> = (input, what) => {
  const { body, protocol } = splitProtocol(input);
  const { address, words } = splitAddress(body);
  if (words.length !== 2) throw notMapping(input, what, words, address);
  const [host, guest] = words.map((word) => rangeOf(word));
  if (host === undefined || guest === undefined) throw notMapping(input, what, words, address);
  if (host.length !== guest.length) {
    throw new EmberError(
      "usage",
      `${what} '${shown(input)}' names ${counted(host.length, "host")} and ${counted(guest.length, "guest")}`,
      {
        hint: `both ranges must have the same length: ${host.first}-${host.first + host.length - 1}:${guest.first}-${guest.first + host.length - 1}`,
      },
    );
  }
  const hostAddress = address ?? "127.0.0.1";
  return Array.from({ length: host.length }, (_, index) => ({
    protocol,
    hostAddress,
    hostPort: host.first + index,
    guestPort: guest.first + index,
  }));
};

/** "[BIND:]HOST[:GUEST][/udp]", ports or ranges: what is published so far. Throws `usage`. */
export const hostPorts: Parser<readonly HostPort[]> = (input, what) => {
  const { body, protocol } = splitProtocol(input);
  const { address, words } = splitAddress(body);
  const [host, guest] = words.map((word) => rangeOf(word));
  const fits = words.length === 1 || (words.length === 2 && guest?.length === host?.length);
  if (host === undefined || !fits) {
    throw new EmberError("usage", `${what} '${shown(input)}' is not a published port`, {
      hint: "write it as it was published, or the host's port alone: 8080, 8000-8010, 53/udp",
    });
  }
  return Array.from({ length: host.length }, (_, index) => ({
    protocol,
    hostPort: host.first + index,
    ...(address === undefined ? {} : { hostAddress: address }),
    ...(guest === undefined ? {} : { guestPort: guest.first + index }),
  }));
};

/** "[BIND:]HOST:GUEST". Throws `usage`. */
export const forwardPort: Parser<ForwardPort> = (input, what) => {
  const { address, words } = splitAddress(input);
  const [host, guest] = words.map((word) => rangeOf(word));
  if (words.length !== 2 || host?.length !== 1 || guest?.length !== 1)
    throw notMapping(input, what, words, address);
  return { bind: address ?? "127.0.0.1", hostPort: host.first, guestPort: guest.first };
};

function splitProtocol(input: string): { readonly body: string; readonly protocol: "tcp" | "udp" } {
  const match = /^(.*?)(?:\/(tcp|udp))?$/s.exec(input);
  return { body: match?.[1] ?? "", protocol: match?.[2] === "udp" ? "udp" : "tcp" };
}

/** An address in front, and what the colons after it divide. */
function splitAddress(body: string): {
  readonly address: string | undefined;
  readonly words: readonly string[];
} {
  const match = /^(\[[0-9A-Fa-f:.]+\]|[0-9.]*\.[0-9.]*|localhost):(.*)$/s.exec(body);
  if (match === null) return { address: undefined, words: body.split(":") };
  const address = match[1] === "localhost" ? "127.0.0.1" : (match[1] ?? "").replace(/[[\]]/g, "");
  return isIP(address) === 0 ? { address, words: [] } : { address, words: (match[2] ?? "").split(":") };
}

interface Range {
  readonly first: number;
  readonly length: number;
}

function rangeOf(word: string): Range | undefined {
  const match = /^([0-9]{1,5})(?:-([0-9]{1,5}))?$/.exec(word);
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  if (first < 1 || last > 65_535 || last < first || last - first >= mostPorts) return undefined;
  return { first, length: last - first + 1 };
}

function counted(count: number, whose: string): string {
  return `${count} port${count === 1 ? "" : "s"} of the ${whose}`;
}

function notMapping(
  input: string,
  what: string,
  words: readonly string[],
  address: string | undefined,
): EmberError {
  const bind = address === undefined ? "" : `${address}:`;
  const alone = words.length === 1 && rangeOf(words[0] ?? "")?.length === 1;
  const backwards = words.some((word) => /^(\d+)-(\d+)$/.test(word));
  return new EmberError("usage", `${what} '${shown(input)}' is not a port mapping`, {
    hint: alone
      ? `say which port of the guest it leads to: ${bind}${freeToUse(words[0])}:${words[0]}`
      : backwards
        ? `a range goes up, from 1 to 65535, over at most ${mostPorts} ports: 8000-8010:8000-8010`
        : "write [ADDRESS:]HOSTPORT:GUESTPORT with ports from 1 to 65535: 8080:80, 0.0.0.0:8080:80",
  });
}

/** The same number where any user may listen, else one that looks like it. */
function freeToUse(port: string | undefined): number {
  return Number(port) < 1024 ? Number(port) + 8000 : Number(port);
}
