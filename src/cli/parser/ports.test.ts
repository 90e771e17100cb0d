import { describe, expect, test } from "bun:test";
import { EmberError } from "../../errors/ember-error.ts";
import type { Parser } from "./flag.ts";
import { forwardPort, hostPorts, portMappings } from "./ports.ts";

function refusal(parser: Parser<unknown>, input: string): string {
  try {
    parser(input, "--publish");
  } catch (error) {
    if (error instanceof EmberError && error.code === "usage") return `${error.message} | ${error.hint}`;
    throw error;
  }
  throw new Error(`'${input}' was accepted`);
}

describe("ports", () => {
  test("a mapping is reachable from this host alone unless an address is given", () => {
    expect(portMappings("8080:80", "-p")).toEqual([
      { protocol: "tcp", hostAddress: "127.0.0.1", hostPort: 8080, guestPort: 80 },
    ]);
    expect(portMappings("0.0.0.0:53:5353/udp", "-p")).toMatchObject([
      { hostAddress: "0.0.0.0", protocol: "udp" },
    ]);
    expect(portMappings("[::1]:8080:80/tcp", "-p")).toMatchObject([{ hostAddress: "::1", protocol: "tcp" }]);
    expect(forwardPort("localhost:1:2", "PORTS")).toEqual({ bind: "127.0.0.1", hostPort: 1, guestPort: 2 });
  });

  test("a range is a mapping for each of its ports", () => {
    const range = portMappings("0.0.0.0:8000-8002:9000-9002/udp", "-p");
    expect(range.map(({ hostPort, guestPort }) => [hostPort, guestPort])).toEqual([
      [8000, 9000],
      [8001, 9001],
      [8002, 9002],
    ]);
    expect(range.every(({ protocol, hostAddress }) => protocol === "udp" && hostAddress === "0.0.0.0")).toBe(
      true,
    );
    expect(portMappings("8000-8000:80", "-p")).toHaveLength(1);
    expect(portMappings("1-1024:1-1024", "-p")).toHaveLength(1024);
  });

  const refused: readonly (readonly [input: string, ...says: string[]])[] = [
    ["80", "say which port of the guest", ": 8080:80"],
    ["127.0.0.1:80", "say which port of the guest", "127.0.0.1:8080:80"],
    [":80", "is not a port mapping"],
    ["80:", "is not a port mapping"],
    ["0:80", "from 1 to 65535"],
    ["80:65536", "from 1 to 65535"],
    ["a:b", "is not a port mapping"],
    ["1.2.3:80:80", "is not a port mapping"],
    ["8080:80/sctp", "is not a port mapping"],
    ["1:2:3:4", "is not a port mapping"],
    ["300.1.1.1:1:2", "is not a port mapping"],
    ["8000-8010:80", "11 ports of the host and 1 port of the guest", "8000-8010:80-90"],
    ["8010-8000:8010-8000", "a range goes up"],
    ["1-2000:1-2000", "at most 1024 ports"],
    ["", "is not a port mapping"],
  ];
  test.each(refused)("'%s' is refused", (input, ...says) => {
    const told = refusal(portMappings, input);
    for (const words of says) expect(told).toContain(words);
  });

  test("forward has neither protocol nor range", () => {
    refusal(forwardPort, "53:53/udp");
    refusal(forwardPort, "8000-8001:8000-8001");
  });

  test("what is published is named by the host's port, or as it was published", () => {
    expect(hostPorts("8080", "PORTS")).toEqual([{ protocol: "tcp", hostPort: 8080 }]);
    expect(hostPorts("127.0.0.1:8080:80", "PORTS")).toEqual([
      { protocol: "tcp", hostAddress: "127.0.0.1", hostPort: 8080, guestPort: 80 },
    ]);
    expect(hostPorts("53/udp", "PORTS")).toEqual([{ protocol: "udp", hostPort: 53 }]);
    expect(hostPorts("8000-8001", "PORTS").map(({ hostPort }) => hostPort)).toEqual([8000, 8001]);
    for (const bad of ["", "web", "80:81:82", "0", "8000-8001:1-3"]) refusal(hostPorts, bad);
  });
});
