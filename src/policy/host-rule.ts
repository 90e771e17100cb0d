import { domainToASCII } from "node:url";
import { EmberError } from "../errors/ember-error.ts";
import type { HostRule, PolicyAction } from "../types.ts";
import { parseAddress } from "./address.ts";
import { parsePort, twoReadings, wrongRule } from "./wrong-rule.ts";

/** Host and port of a rule; port 0: any. */
export interface HostPattern {
  readonly host: string;
  readonly port: number;
}

/** "HOST[:PORT]" of `--allow-host` and `--deny-host`; `flag` is the one. Throws `usage`, with both readings where there are two. */
export function parseHostRule(action: PolicyAction, input: string): HostRule {
  const flag = action === "allow" ? "--allow-host" : "--deny-host";
  const { host, port } = parseHostPattern(input, flag, flag);
  return { action, host, port, text: `${flag} ${host}${port === 0 ? "" : `:${port}`}` };
}

/**
 * A name, or "*." and a suffix, with a port after a colon: in the form that rules are kept in (lower case, punycode, no dot at
 * the end). `what` names the input in errors, `flag` is what hints say to write. Throws `usage`.
 */
export function parseHostPattern(input: string, what: string, flag: string): HostPattern {
  refuseForeignForms(input, what, flag);
  refuseAddresses(input, what, flag);
  const parts = input.split(":");
  const [name = "", portText, ...more] = parts;
  if (more.length > 0) {
    throw wrongRule(what, input, "has more than one colon", `write HOST or HOST:PORT: ${flag} ${name}:443`);
  }
  const port = portText === undefined ? 0 : parsePort(portText, what, input, (proper) => `${name}:${proper}`);
  return { host: canonicalPattern(name, input, what, flag), port };
}

/** Who gets a secret: a name or pattern, which certificates prove; so neither an address nor one port. Throws `usage`. */
export function parseSecretHost(input: string, flag: string): string {
  let pattern: HostPattern;
  try {
    pattern = parseHostPattern(input, flag, flag);
  } catch (error) {
    if (!(error instanceof EmberError) || !/-cidr|--egress/.test(error.hint ?? "")) throw error;
    throw wrongRule(
      flag,
      input,
      "is not a host's name",
      "secrets go to hosts by name, which their certificates prove",
    );
  }
  if (pattern.port === 0) return pattern.host;
  throw wrongRule(
    flag,
    input,
    "has a port",
    `a secret goes to the host at any port: ${flag} ${pattern.host}`,
  );
}

/** What users paste where a host is asked for. */
function refuseForeignForms(input: string, what: string, flag: string): void {
  if (input.trim() === "") throw wrongRule(what, input, "is empty", `write ${flag} api.github.com`);
  const url = /^([a-z][a-z0-9+.-]*):\/\/(?:[^/?#@]*@)?([^/?#:]*)(?::(\d+))?/i.exec(input);
  if (url !== null) {
    const [, scheme = "", host = "", port] = url;
    const implied = { http: "80", https: "443", ssh: "22" }[scheme.toLowerCase()];
    const proper = `${host}${(port ?? implied === undefined) ? (port === undefined ? "" : `:${port}`) : `:${implied}`}`;
    throw wrongRule(
      what,
      input,
      "is a URL, not a host",
      `write the host alone, with a port or for all ports: ${flag} ${proper}`,
    );
  }
  const protocol = /^([^/]+)\/(tcp|udp)$/i.exec(input);
  if (protocol !== null) {
    const hint = `leave it out: ${flag} ${protocol[1]}`;
    throw wrongRule(what, input, "names a protocol, which rules about hosts do not", hint);
  }
  if (/[\s,;]/.test(input)) {
    const [first = ""] = input.split(/[\s,;]+/).filter((part) => part !== "");
    throw wrongRule(
      what,
      input,
      "names more than one host",
      `give the flag once for each: ${flag} ${first} ${flag} ...`,
    );
  }
  if (input.includes("@")) {
    throw wrongRule(
      what,
      input,
      "names a user",
      `write the host alone: ${flag} ${input.slice(input.lastIndexOf("@") + 1)}`,
    );
  }
}

/** What is an address, or could be one, is nobody's name: rules about addresses are others. */
function refuseAddresses(input: string, what: string, flag: string): void {
  const cidrFlag = flag.startsWith("--deny") ? "--deny-cidr" : "--allow-cidr";
  const slash = input.indexOf("/");
  if (slash !== -1) {
    const [before = ""] = input.split("/");
    const isNetwork = /^[\d.]+$/.test(before) || before.includes("::") || before.startsWith("[");
    if (isNetwork) throw wrongRule(what, input, "is a network, not a host", `write ${cidrFlag} ${input}`);
    throw wrongRule(what, input, "has a path", `a rule is for a whole host: ${flag} ${before}`);
  }
  if (input.startsWith("["))
    throw wrongRule(what, input, "is an address, not a host", `write ${cidrFlag} ${input}`);
  if ((input.match(/:/g)?.length ?? 0) > 1 && /^[0-9a-f:.]+$/i.test(input)) {
    const at = input.lastIndexOf(":");
    const [before, last] = [input.slice(0, at), input.slice(at + 1)];
    if (parseAddress(input) !== undefined && parseAddress(before) !== undefined && /^\d{1,5}$/.test(last)) {
      throw twoReadings(what, input, [
        [`port ${last} of the address ${before}`, `${cidrFlag} [${before}]:${last}`],
        [`the address ${input}`, `${cidrFlag} [${input}]`],
      ]);
    }
    throw wrongRule(what, input, "is an IPv6 address, not a host", `write ${cidrFlag} [${input}]`);
  }
  refuseNumbers(input, what, flag, cidrFlag);
}

/** Resolvers take a name that ends in a number for an IPv4 address, also one with fewer than four parts (WHATWG URL, inet_aton). */
function refuseNumbers(input: string, what: string, flag: string, cidrFlag: string): void {
  const [name = "", port] = input.split(":");
  const bare = name.replace(/\.$/, "");
  const last = bare.split(".").at(-1) ?? "";
  if (!/^(\d+|0x[0-9a-f]*)$/i.test(last)) return;
  const suffix = port === undefined ? "" : `:${port}`;
  const address = domainToASCII(bare);
  if (parseAddress(bare) !== undefined) {
    throw twoReadings(what, input, [
      [`the address ${bare}`, `${cidrFlag} ${bare}/32${suffix}`],
      ["a host of that name, which resolvers never ask for", `${flag} NAME`],
    ]);
  }
  const meant = parseAddress(address)?.family === 4 ? address : undefined;
  throw twoReadings(what, input, [
    meant === undefined
      ? ["an address with a part missing or too large", `${cidrFlag} ADDRESS/32${suffix}`]
      : [`the address ${meant}`, `${cidrFlag} ${meant}/32${suffix}`],
    ["a host of that name, which resolvers never ask for", `${flag} NAME`],
  ]);
}

function canonicalPattern(name: string, input: string, what: string, flag: string): string {
  if (name === "*") throw wrongRule(what, input, "is every host", allOrNothing(flag));
  const wild = name.startsWith("*.");
  const rest = wild ? name.slice(2) : name;
  if (rest.startsWith(".")) {
    const bare = rest.replace(/^\.+/, "");
    throw twoReadings(what, input, [
      ["the host itself", `${flag} ${bare}`],
      ["everything below it", `${flag} '*.${bare}'`],
    ]);
  }
  if (rest.includes("*")) {
    const hint =
      "'*' stands at the beginning alone, before a dot: '*.npmjs.org' is everything below npmjs.org";
    throw wrongRule(what, input, "has a '*' that no rule can have", hint);
  }
  const host = canonicalHost(rest);
  if (host !== undefined) return wild ? `*.${host}` : host;
  const hint =
    "a host is letters, digits and '-' between dots, at most 63 in each part and 253 in all: api.github.com";
  throw wrongRule(what, input, "is not a host's name", hint);
}

function allOrNothing(flag: string): string {
  return flag.startsWith("--deny")
    ? "to refuse everything, write --egress none"
    : "to allow everything, write --egress all";
}

const mostCharacters = 253;

/** A host's name in lower case and punycode, without the dot at its end; undefined when no host can be called that. */
export function canonicalHost(name: string): string | undefined {
  const bare = name.replace(/\.$/, "");
  // Not all that URLs take is a name: "%41", or what they take out.
  if (bare === "" || /[\p{Cc}\s%@/\\?#[\]<>^|:*]/u.test(bare)) return undefined;
  const ascii = /^[\x21-\x7e]+$/.test(bare) ? bare.toLowerCase() : domainToASCII(bare);
  const labels = ascii.split(".");
  const isLabel = (label: string): boolean => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label);
  // Digits of other scripts become an address as well.
  if (/^(\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? "")) return undefined;
  if (ascii.length > mostCharacters || !labels.every(isLabel)) return undefined;
  return labels.some((label) => label.startsWith("xn--")) && domainToASCII(ascii) === "" ? undefined : ascii;
}
