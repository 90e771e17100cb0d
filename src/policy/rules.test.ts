import { describe, expect, test } from "bun:test";
import { EmberError } from "../errors/ember-error.ts";
import { parseAddressRule } from "./address-rule.ts";
import { parseHostRule } from "./host-rule.ts";

function refusal(parse: () => unknown): string {
  try {
    parse();
  } catch (error) {
    if (error instanceof EmberError && error.code === "usage") return `${error.message} | ${error.hint}`;
    throw error;
  }
  throw new Error("it was taken");
}

describe("--allow-host", () => {
  const good: readonly (readonly [input: string, host: string, port: number])[] = [
    ["api.github.com", "api.github.com", 0],
    ["API.GitHub.com.", "api.github.com", 0],
    ["api.github.com:443", "api.github.com", 443],
    ["*.npmjs.org", "*.npmjs.org", 0],
    ["*.NPMjs.org.:443", "*.npmjs.org", 443],
    ["bücher.example", "xn--bcher-kva.example", 0],
    ["*.Bücher.example:8443", "*.xn--bcher-kva.example", 8443],
    ["xn--bcher-kva.example", "xn--bcher-kva.example", 0],
    ["_sip.example.org", "_sip.example.org", 0],
    ["intranet", "intranet", 0],
    ["3com.com", "3com.com", 0],
    ["a1.b2", "a1.b2", 0],
    ["ＡＰＩ.github.com", "api.github.com", 0],
  ];
  for (const [input, host, port] of good) {
    test(`${input} is ${host}, port ${port}`, () => {
      const text = `--allow-host ${host}${port === 0 ? "" : `:${port}`}`;
      expect(parseHostRule("allow", input)).toEqual({ action: "allow", host, port, text });
    });
  }

  const refused: readonly (readonly [input: string, ...says: string[]])[] = [
    ["10.0.0.1", "the address 10.0.0.1, or a host of that name", "--allow-cidr 10.0.0.1/32"],
    ["10.0.0.1:443", "--allow-cidr 10.0.0.1/32:443"],
    ["1.2", "the address 1.0.0.2, or a host of that name", "--allow-cidr 1.0.0.2/32"],
    ["443", "the address 0.0.1.187"],
    ["2130706433", "the address 127.0.0.1"],
    ["0x7f.1", "the address 127.0.0.1"],
    ["example.300", "an address with a part missing or too large"],
    ["10.0.0.0/8", "is a network, not a host", "--allow-cidr 10.0.0.0/8"],
    ["10.0.0.0/8:53/udp", "is a network, not a host", "--allow-cidr 10.0.0.0/8:53/udp"],
    ["::1:5432", "port 5432 of the address ::1, or the address ::1:5432", "--allow-cidr [::1]:5432 for"],
    ["::1", "is an IPv6 address", "--allow-cidr [::1]"],
    ["[::1]:443", "is an address, not a host", "--allow-cidr [::1]:443"],
    ["https://api.github.com/repos", "is a URL", "--allow-host api.github.com:443"],
    ["http://me:pw@api.github.com:8080/", "is a URL", "--allow-host api.github.com:8080"],
    ["git://example.org/x", "is a URL", "--allow-host example.org"],
    ["api.github.com/repos", "has a path", "--allow-host api.github.com"],
    ["git@github.com", "names a user", "--allow-host github.com"],
    ["a.example,b.example", "more than one host", "--allow-host a.example"],
    ["a.example b.example", "more than one host"],
    ["api.github.com:https", "names a service", "--allow-host api.github.com:443"],
    ["api.github.com:", "ends where a port must be", "leave the port out"],
    ["api.github.com:0", "leave the port out"],
    ["api.github.com:65536", "from 1 to 65535"],
    ["api.github.com:80-90", "range of ports"],
    ["api.github.com:443/tcp", "names a protocol", "--allow-host api.github.com:443"],
    ["api.github.com:443:80", "more than one colon"],
    [".npmjs.org", "the host itself, or everything below it", "--allow-host npmjs.org", "'*.npmjs.org'"],
    ["*", "is every host", "--egress all"],
    ["*npmjs.org", "'*' that no rule can have"],
    ["registry.*.org", "'*' that no rule can have"],
    ["*.*.org", "'*' that no rule can have"],
    ["*.10.0.0.1", "can be read as"],
    ["", "is empty"],
    ["-x.example", "is not a host's name"],
    ["a..example", "is not a host's name"],
    [`${"a".repeat(64)}.example`, "is not a host's name"],
    [`${"a.".repeat(130)}example`, "is not a host's name"],
    ["exa\u0007mple.org", "exa?mple.org", "is not a host's name"],
    ["１２.３", "is not a host's name"],
    ["*.example.0x1", "can be read as"],
    ["xn--\u00fc.example", "is not a host's name"],
  ];
  for (const [input, ...says] of refused) {
    test(`${JSON.stringify(input).slice(0, 60)} is refused: ${says[0]}`, () => {
      const told = refusal(() => parseHostRule("allow", input));
      for (const words of says) expect(told).toContain(words);
    });
  }

  test("of --deny-host the hints name that flag's kind", () => {
    expect(refusal(() => parseHostRule("refuse", "10.0.0.1"))).toContain("--deny-cidr 10.0.0.1/32");
    expect(refusal(() => parseHostRule("refuse", "*"))).toContain("--egress none");
  });
});

describe("--allow-cidr", () => {
  const good: readonly (readonly [
    input: string,
    cidr: string,
    port: number,
    protocol: string,
    operand?: string,
  ])[] = [
    ["10.0.0.0/8", "10.0.0.0/8", 0, ""],
    ["10.0.0.0/8:5432", "10.0.0.0/8", 5432, ""],
    ["10.0.0.0/8:53/udp", "10.0.0.0/8", 53, "udp"],
    ["10.0.0.0/8/TCP", "10.0.0.0/8", 0, "tcp", "10.0.0.0/8/tcp"],
    ["192.0.2.7", "192.0.2.7/32", 0, "", "192.0.2.7/32"],
    ["192.0.2.7:443", "192.0.2.7/32", 443, "", "192.0.2.7/32:443"],
    ["192.0.2.7/udp", "192.0.2.7/32", 0, "udp", "192.0.2.7/32/udp"],
    ["0.0.0.0/0:443", "0.0.0.0/0", 443, ""],
    ["10.0.0.0/32", "10.0.0.0/32", 0, ""],
    ["fd00::/8", "fd00::/8", 0, ""],
    ["[fd00::]/8:443", "fd00::/8", 443, "", "[fd00::/8]:443"],
    ["[fd00::/8]:443/tcp", "fd00::/8", 443, "tcp", "[fd00::/8]:443/tcp"],
    ["fd00::/8:443", "fd00::/8", 443, "", "[fd00::/8]:443"],
    ["[2001:DB8::1]:22", "2001:db8::1/128", 22, "", "[2001:db8::1/128]:22"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1/128", 0, "", "2001:db8::1:0:0:1/128"],
    ["::1", "::1/128", 0, "", "::1/128"],
    ["::/0", "::/0", 0, ""],
  ];
  for (const [input, cidr, port, protocol, operand] of good) {
    test(`${input} is ${cidr}, port ${port}, protocol '${protocol}'`, () => {
      const rule = parseAddressRule("allow", input);
      expect<unknown>(rule).toEqual({
        action: "allow",
        cidr,
        port,
        protocol,
        text: `--allow-cidr ${operand ?? input}`,
      });
      // What it is called is how it can be written.
      expect(parseAddressRule("allow", rule.text.replace("--allow-cidr ", ""))).toEqual(rule);
    });
  }

  const refused: readonly (readonly [input: string, ...says: string[]])[] = [
    ["10.1.2.3/8", "the network 10.0.0.0/8, or the address 10.1.2.3", "--allow-cidr 10.1.2.3/32"],
    ["10.1.2.3/8:53/udp", "--allow-cidr 10.0.0.0/8:53/udp", "--allow-cidr 10.1.2.3/32:53/udp"],
    ["10.0.0.0", "a network such as 10.0.0.0/8, or the one address", "--allow-cidr 10.0.0.0/32"],
    ["10.0.0.0:5432", "10.0.0.0/8:5432", "port 5432 of the one address", "10.0.0.0/32:5432"],
    ["10.0.0.0:8", "the network 10.0.0.0/8, or port 8 of the one address"],
    ["192.168.1.0", "192.168.1.0/24"],
    ["0.0.0.0", "0.0.0.0/0"],
    ["10/8", "the addresses that begin with 10, or the address 0.0.0.10", "--allow-cidr 10.0.0.0/8"],
    ["10.1/16", "the addresses that begin with 10.1, or the address 10.0.0.1", "--allow-cidr 10.1.0.0/16"],
    ["010.0.0.0/8", "the decimal 10.0.0.0, or the octal 8.0.0.0"],
    ["::1:5432", "port 5432 of the address ::1, or the address ::1:5432", "--allow-cidr [::1]:5432"],
    ["fd00:0:0:0:0:0:0:1:443", "--allow-cidr [fd00:0:0:0:0:0:0:1]:443"],
    ["fd00::1/8", "the network fd00::/8, or the address fd00::1"],
    ["::ffff:10.0.0.1", "IPv4 address in IPv6's form", "--allow-cidr 10.0.0.1"],
    ["fe80::1%eth0", "names an interface"],
    ["10.0.0.0/255.0.0.0", "netmask", "--allow-cidr 10.0.0.0/8"],
    ["10.0.0.1/443", "for a port, write --allow-cidr 10.0.0.1:443"],
    ["10.0.0.0/33", "prefix length"],
    ["10.0.0.0/08", "prefix length"],
    ["10.0.0.0/", "prefix length"],
    ["10.0.0.0/8:0", "leave the port out"],
    ["10.0.0.0/8:", "ends where a port must be"],
    ["10.0.0.0/8:80-90", "range of ports"],
    ["10.0.0.0/8:https", "--allow-cidr 10.0.0.0/8:443"],
    ["10.0.0.0/8:53/icmp", "names the protocol 'icmp'"],
    ["10.0/16", "is cut short", "--allow-cidr 10.0.0.0/16"],
    ["10.0.0.0/icmp", "names the protocol 'icmp'"],
    ["10.0.0.1-10.0.0.9", "range of addresses"],
    ["10.0.0.0/8,192.0.2.0/24", "more than one network"],
    ["github.com", "is not a network", "--allow-host"],
    ["https://10.0.0.1/", "is a URL"],
    ["10.0.0.256/32", "is not a network"],
    ["1.2.3.4.5/32", "is not a network"],
    ["", "is empty"],
    ["[::1", "is not a network"],
    [":::/0", "is not a network"],
  ];
  for (const [input, ...says] of refused) {
    test(`${JSON.stringify(input)} is refused: ${says[0]}`, () => {
      const told = refusal(() => parseAddressRule("allow", input));
      for (const words of says) expect(told).toContain(words);
    });
  }

  test("in both readings of a rule the hint can be written, and means that", () => {
    for (const input of ["10.1.2.3/8:53/udp", "10.0.0.0:5432", "010.0.0.0/8", "::1:5432", "10.1/16"]) {
      const hint = refusal(() => parseAddressRule("refuse", input)).split(" | write ")[1] ?? "";
      const ways = hint.split("; ").map((way) => way.replace("--deny-cidr ", "").replace(/ for .*/, ""));
      expect(ways).toHaveLength(2);
      for (const way of ways) expect(parseAddressRule("refuse", way).action).toBe("refuse");
    }
  });
});

describe("whatever is written", () => {
  /** The same numbers in each run (a linear congruential generator). */
  function dice(seed: number): (sides: number) => number {
    let state = seed;
    return (sides) => {
      state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
      return Math.floor((state / 2 ** 31) * sides);
    };
  }

  const pieces = [
    ..."0 1 9 . .. : :: / [ ] - * _ @ % , ; = # ? ' \" \\ ü İ １ 。 xn-- a z FF 0x 255 256 65535 65536 443 tcp udp /tcp com".split(
      " ",
    ),
    ...[
      "\0",
      "\n",
      "\u202e",
      "\ud800",
      " ",
      "example",
      "10.0.0.0/8",
      "fd00::1",
      "api.github.com",
      "ember.internal",
      "https://",
    ],
  ];

  test("a rule is taken as what it is called, or refused as a wrong command line with a hint", () => {
    const roll = dice(7);
    for (let round = 0; round < 20_000; round++) {
      const input = Array.from({ length: 1 + roll(6) }, () => pieces[roll(pieces.length)] ?? "").join("");
      for (const parse of [parseHostRule, parseAddressRule]) {
        try {
          const { text } = parse("allow", input);
          expect(text).toMatch(/^--allow-(host|cidr) [\x21-\x7e]+$/);
          expect(parse("allow", text.slice(text.indexOf(" ") + 1)).text).toBe(text);
        } catch (error) {
          if (!(error instanceof EmberError) || error.code !== "usage" || error.hint === undefined) {
            throw new Error(`${JSON.stringify(input)}: ${error}`);
          }
          expect(error.message).not.toMatch(/\p{Cc}/u);
        }
      }
    }
  });
});
