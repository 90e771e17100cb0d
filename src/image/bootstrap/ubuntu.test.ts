import { describe, expect, test } from "bun:test";
import { parseOneLineSources, parseSources } from "../../kernel/debian/apt-sources.ts";
import { ubuntuArchives } from "./ubuntu.ts";

describe("Ubuntu's archives", () => {
  const pocketsOf = (uri: string, suite: string) =>
    ["", "-updates", "-security"].map((pocket) => ({ uri, suite: `${suite}${pocket}` }));

  test("are Ubuntu's own on a host that is no Ubuntu, by architecture", () => {
    const debian = parseSources("Types: deb\nURIs: http://m.example/debian\nSuites: noble\nComponents: main");
    expect(ubuntuArchives("noble", "amd64", debian, undefined)).toEqual(
      pocketsOf("http://archive.ubuntu.com/ubuntu", "noble"),
    );
    expect(ubuntuArchives("jammy", "arm64", [], undefined)).toEqual(
      pocketsOf("http://ports.ubuntu.com/ubuntu-ports", "jammy"),
    );
  });

  test("are the host's mirrors on an Ubuntu, for other suites too", () => {
    const sources = parseOneLineSources(
      [
        "deb http://de.mirror.example/ubuntu/ jammy main restricted",
        "deb http://de.mirror.example/ubuntu/ jammy universe",
        "deb http://de.mirror.example/ubuntu/ jammy-updates main restricted",
        "deb http://security.example/ubuntu jammy-security main restricted",
        "deb http://ppa.example/someone/ubuntu focal main",
      ].join("\n"),
    );
    expect(ubuntuArchives("noble", "amd64", sources, "jammy")).toEqual([
      { uri: "http://de.mirror.example/ubuntu", suite: "noble" },
      { uri: "http://de.mirror.example/ubuntu", suite: "noble-updates" },
      { uri: "http://security.example/ubuntu", suite: "noble-security" },
    ]);
  });

  test("take from the mirror what the host itself does without", () => {
    const [only] = parseSources(
      "Types: deb\nURIs: http://m.lan/ubuntu-ports\nSuites: noble\nComponents: main",
    );
    if (only === undefined) throw new Error("no source");
    expect(ubuntuArchives("noble", "arm64", [only], "noble")).toEqual(
      pocketsOf("http://m.lan/ubuntu-ports", "noble"),
    );
  });
});
