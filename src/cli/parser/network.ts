import { isIP, isIPv4 } from "node:net";
import { EmberError } from "../../errors/ember-error.ts";
import type { EgressPolicy, PortMapping } from "../../types.ts";
import type { Parser } from "./flag.ts";
import { shown } from "./kinds.ts";

/** An IPv4 subnet, "10.100.0.0/16". Throws `usage`. */
export const cidr: Parser<string> = (input, what) => {
  const [address = "", prefix = "", ...more] = input.split("/");
  if (!isIPv4(address) || !/^(0|[1-9][0-9]?)$/.test(prefix) || Number(prefix) > 32 || more.length > 0) {
    throw new EmberError("usage", `${what} '${shown(input)}' is not a subnet`, {
      hint: "write an IPv4 address and a prefix length: 10.100.0.0/16",
    });
  }
  return input;
};

/** What a VM is attached to: "default", "none" or a subnet. */
export const networkChoice: Parser<string> = (input, what) => {
  if (input === "default" || input === "none") return input;
  if (/^[0-9]/.test(input)) return cidr(input, what);
  throw new EmberError("usage", `${what} '${shown(input)}' is not a network`, {
    hint: "use default, none, or a subnet such as 10.100.0.0/16",
  });
};

/** "all", "none", or IPv4 networks with commas between them. Throws `usage`. */
export const egressPolicy: Parser<EgressPolicy> = (input, what) => {
  if (input === "all" || input === "none") return input;
  if (/^[0-9]/.test(input)) return input.split(",").map((network) => cidr(network, what));
  throw new EmberError("usage", `${what} '${shown(input)}' is not a policy`, {
    hint: "use all, none, or networks such as 10.0.0.0/8,192.0.2.7/32",
  });
};

/** "[BIND:]HOST:GUEST[/udp]". Only this host can reach it unless BIND says otherwise. Throws `usage`. */
export const portMapping: Parser<PortMapping> = (input, what) => {
  const match = /^(.*?)(?:\/(tcp|udp))?$/s.exec(input);
  const { bind, hostPort, guestPort } = portPair(match?.[1] ?? "", what, input);
  return { protocol: match?.[2] === "udp" ? "udp" : "tcp", hostAddress: bind, hostPort, guestPort };
};

export interface ForwardPort {
  readonly bind: string;
  readonly hostPort: number;
  readonly guestPort: number;
}

/** "[BIND:]HOST:GUEST". Throws `usage`. */
export const forwardPort: Parser<ForwardPort> = (input, what) => portPair(input, what, input);

function portPair(pair: string, what: string, whole: string): ForwardPort {
  const match = /^(?:(\[[0-9A-Fa-f:.]+\]|[0-9.]+|localhost):)?([0-9]{1,5}):([0-9]{1,5})$/.exec(pair);
  const bind =
    match?.[1] === undefined || match[1] === "localhost" ? "127.0.0.1" : match[1].replace(/[[\]]/g, "");
  const hostPort = Number(match?.[2]);
  const guestPort = Number(match?.[3]);
  if (match === null || isIP(bind) === 0 || !isPort(hostPort) || !isPort(guestPort)) {
    throw new EmberError("usage", `${what} '${shown(whole)}' is not a port mapping`, {
      hint: "write [ADDRESS:]HOSTPORT:GUESTPORT with ports from 1 to 65535: 8080:80, 0.0.0.0:8080:80",
    });
  }
  return { bind, hostPort, guestPort };
}

const isPort = (port: number): boolean => port >= 1 && port <= 65_535;
