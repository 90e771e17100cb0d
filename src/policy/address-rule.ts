import type { AddressRule, PolicyAction } from "../types.ts";
import { formatAddress, formatNetwork, type IpNetwork, networkOf, parseAddress, widthOf } from "./address.ts";
import { parsePort, twoReadings, wrongRule } from "./wrong-rule.ts";

/** What a rule is written in, with its parts taken apart but not yet read. */
interface Parts {
  readonly address: string;
  readonly prefix: string | undefined;
  readonly port: string | undefined;
  readonly protocol: "" | "tcp" | "udp";
}

/**
 * "CIDR[:PORT][/tcp|udp]" of `--allow-cidr` and `--deny-cidr`, an IPv6 address in brackets where a port follows. Throws `usage`, with
 * both readings where there are two.
 */
export function parseAddressRule(action: PolicyAction, input: string, what?: string): AddressRule {
  const flag = action === "allow" ? "--allow-cidr" : "--deny-cidr";
  const named = what ?? flag;
  const parts = takeApart(input, named, flag);
  const network = readNetworkOf(parts, input, named, flag);
  const cidr = formatNetwork(network);
  const port =
    parts.port === undefined
      ? 0
      : parsePort(parts.port, named, input, (proper) => `${written(network)}:${proper}`);
  const { protocol } = parts;
  const text = `${flag} ${port === 0 ? cidr : `${written(network)}:${port}`}${protocol === "" ? "" : `/${protocol}`}`;
  return { action, cidr, port, protocol, text };
}

/** As a port can follow. */
function written(network: IpNetwork): string {
  const cidr = formatNetwork(network);
  return network.family === 4 ? cidr : `[${cidr}]`;
}

function takeApart(input: string, what: string, flag: string): Parts {
  refuseForeignForms(input, what, flag);
  const [, body = "", protocolText = ""] = /^(.*?)(?:\/(tcp|udp))?$/is.exec(input) ?? [];
  const protocol = protocolText.toLowerCase() === "tcp" ? "tcp" : protocolText === "" ? "" : "udp";
  const bracketed = /^\[([^[\]/]*)(?:\/([^\]]*))?\](?:\/([^:]*))?(?::(.*))?$/.exec(body);
  if (bracketed !== null) {
    const [, address = "", inner, outer, port] = bracketed;
    return { address, prefix: inner ?? outer, port, protocol };
  }
  const slash = body.indexOf("/");
  if (slash !== -1) {
    const [prefix = "", ...port] = body.slice(slash + 1).split(":");
    return {
      address: body.slice(0, slash),
      prefix,
      port: port.length === 0 ? undefined : port.join(":"),
      protocol,
    };
  }
  const colons = body.split(":").length - 1;
  if (colons > 1) {
    refuseTwoReadingsOf6(body, what, flag);
    return { address: body, prefix: undefined, port: undefined, protocol };
  }
  const [address = "", port] = body.split(":");
  return { address, prefix: undefined, port, protocol };
}

function refuseForeignForms(input: string, what: string, flag: string): void {
  if (input.trim() === "") throw wrongRule(what, input, "is empty", `write ${flag} 10.0.0.0/8`);
  if (/[\s,;]/.test(input)) {
    throw wrongRule(what, input, "names more than one network", `give ${flag} once for each`);
  }
  if (/^[\d.]+-[\d.]+$/.test(input)) {
    throw wrongRule(what, input, "is a range of addresses", "write networks, such as 10.0.0.0/29");
  }
  if (input.includes("%"))
    throw wrongRule(what, input, "names an interface", "leave out what begins with '%'");
  const hostFlag = flag === "--allow-cidr" ? "--allow-host" : "--deny-host";
  const url = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(input);
  if (url !== null)
    throw wrongRule(what, input, "is a URL, not a network", `for its host, write ${hostFlag} ${url[1]}`);
  const protocol = /^[\d.:/[\]a-f]*\/([a-z]+)$/i.exec(input)?.[1];
  if (protocol !== undefined && !/^(tcp|udp)$/i.test(protocol)) {
    throw wrongRule(
      what,
      input,
      `names the protocol '${protocol}', which no rule can`,
      "write /tcp, /udp, or nothing for all",
    );
  }
  const isName = /[g-z_*]/i.test(input.replace(/\/(tcp|udp)$/i, "").replace(/:[a-z]*$/i, ""));
  if (isName) throw wrongRule(what, input, "is not a network", `for a host by its name, write ${hostFlag}`);
}

/** "::1:5432" is an address whole, and with a port. */
function refuseTwoReadingsOf6(body: string, what: string, flag: string): void {
  const at = body.lastIndexOf(":");
  const [before, last] = [body.slice(0, at), body.slice(at + 1)];
  const isPort = /^[1-9]\d{0,4}$/.test(last) && Number(last) <= 65_535;
  if (!isPort || parseAddress(before) === undefined) return;
  const whole = parseAddress(body);
  if (whole === undefined)
    throw wrongRule(what, body, "has a port behind an IPv6 address", `write ${flag} [${before}]:${last}`);
  throw twoReadings(what, body, [
    [`port ${last} of the address ${before}`, `${flag} [${before}]:${last}`],
    [`the address ${body}`, `${flag} [${body}]`],
  ]);
}

function readNetworkOf(parts: Parts, input: string, what: string, flag: string): IpNetwork {
  const address = parseAddress(parts.address);
  if (address === undefined) throw explainAddress(parts, input, what, flag);
  const isMapped = address.family === 6 && address.value >> 32n === 0xffffn;
  if (isMapped) {
    const inner = formatAddress({ family: 4, value: address.value & 0xffff_ffffn });
    throw wrongRule(what, input, "is an IPv4 address in IPv6's form", `write ${flag} ${inner}`);
  }
  if (parts.prefix === undefined) {
    if (address.family === 4) refuseNetworkWithoutPrefix(parts, input, what, flag);
    return networkOf(address, widthOf(address.family));
  }
  const prefix = readPrefix(parts, address.family, input, what, flag);
  const network = networkOf(address, prefix);
  if (network.base === address.value) return network;
  const suffix = suffixOf(parts);
  throw twoReadings(what, input, [
    [`the network ${formatNetwork(network)}`, `${flag} ${formatNetwork(network)}${suffix}`],
    [
      `the address ${parts.address}`,
      `${flag} ${formatNetwork(networkOf(address, widthOf(address.family)))}${suffix}`,
    ],
  ]);
}

function suffixOf({ port, protocol }: Parts): string {
  return `${port === undefined ? "" : `:${port}`}${protocol === "" ? "" : `/${protocol}`}`;
}

/** "10.0.0.0" is a network's address: whoever leaves out the prefix may not mean the one address; "10.0.0.0:8" may be a slip. */
function refuseNetworkWithoutPrefix(parts: Parts, input: string, what: string, flag: string): void {
  const zeros = /(?:\.0)+$/.exec(parts.address)?.[0].length ?? 0;
  if (zeros === 0) return;
  const { address, port } = parts;
  const likely = parts.address === "0.0.0.0" ? 0 : 32 - 4 * zeros;
  const slip = port !== undefined && /^\d{1,2}$/.test(port) && Number(port) <= 32;
  throw twoReadings(what, input, [
    slip
      ? [`the network ${address}/${port}`, `${flag} ${address}/${port}`]
      : [`a network such as ${address}/${likely}`, `${flag} ${address}/${likely}${suffixOf(parts)}`],
    [
      port === undefined ? "the one address" : `port ${port} of the one address`,
      `${flag} ${address}/32${suffixOf(parts)}`,
    ],
  ]);
}

function readPrefix(parts: Parts, family: 4 | 6, input: string, what: string, flag: string): number {
  const text = parts.prefix ?? "";
  if (/^(0|[1-9]\d{0,2})$/.test(text) && Number(text) <= widthOf(family)) return Number(text);
  const mask = parseAddress(text);
  const ones = mask?.family === 4 ? mask.value.toString(2).padStart(32, "0") : "";
  if (/^1*0*$/.test(ones) && ones !== "") {
    const proper = `${parts.address}/${ones.replace(/0/g, "").length}`;
    throw wrongRule(what, input, "has a netmask where a prefix length must be", `write ${flag} ${proper}`);
  }
  const isPort = /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535;
  const hint = isPort
    ? `for a port, write ${flag} ${parts.address}:${text}`
    : `a prefix length is 0 to ${widthOf(family)}`;
  throw wrongRule(what, input, "has a prefix length that is none", hint);
}

/** Why what stands before the prefix is no address. Short forms and leading zeros mean different things to different programs. */
function explainAddress(parts: Parts, input: string, what: string, flag: string): Error {
  const { address, prefix } = parts;
  const numbers = address.split(".");
  const suffix = `${prefix === undefined ? "" : `/${prefix}`}${suffixOf(parts)}`;
  if (/^\d+(\.\d+){0,3}$/.test(address) && numbers.every((number) => number.length < 11)) {
    if (numbers.length === 4 && numbers.some((number) => /^0[0-7]+$/.test(number))) {
      const decimal = numbers.map(Number).join(".");
      const octal = numbers.map((number) =>
        /^0[0-7]+$/.test(number) ? Number.parseInt(number, 8) : Number(number),
      );
      return twoReadings(what, input, [
        [`the decimal ${decimal}`, `${flag} ${decimal}${suffix}`],
        [`the octal ${octal.join(".")}`, `${flag} ${octal.join(".")}${suffix}`],
      ]);
    }
    if (numbers.length < 4 && numbers.every((number) => Number(number) < 256))
      return shortForm(parts, suffix, input, what, flag);
  }
  const hint = "write an address and a prefix length: 10.0.0.0/8, 192.0.2.7/32, [fd00::]/8";
  return wrongRule(what, input, "is not a network", hint);
}

/** "10.1/16": routing tables fill up at the end, inet_aton(3) before the last number. */
function shortForm({ address }: Parts, suffix: string, input: string, what: string, flag: string): Error {
  const numbers = address.split(".");
  const missing = Array.from({ length: 4 - numbers.length }, () => "0");
  const filledUp = [...numbers, ...missing].join(".");
  const asNumber = [...numbers.slice(0, -1), ...missing, numbers.at(-1) ?? "0"].join(".");
  if (filledUp === asNumber)
    return wrongRule(what, input, "is cut short", `write ${flag} ${filledUp}${suffix}`);
  return twoReadings(what, input, [
    [
      `the addresses that begin with ${address}`,
      `${flag} ${filledUp}${suffix === "" ? `/${8 * numbers.length}` : suffix}`,
    ],
    [`the address ${asNumber}`, `${flag} ${asNumber}/32`],
  ]);
}
