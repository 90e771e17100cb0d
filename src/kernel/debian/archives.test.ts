import { describe, expect, test } from "bun:test";
import { parseOneLineSources, parseSources } from "./apt-sources.ts";
import { chooseArchives } from "./archives.ts";
import { compareVersions } from "./version-order.ts";

const bookworm = `# comment
Types: deb deb-src
# http://snapshot.example/
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 URIs: http://evil.example/debian

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
`;

const official = "http://deb.debian.org/debian";

describe("chooseArchives", () => {
  test("takes the host's mirror and its security archive", () => {
    expect(chooseArchives(parseSources(bookworm), "bookworm")).toEqual([
      { uri: "http://mirror.example/debian", suite: "bookworm" },
      { uri: "http://mirror.example/debian-security", suite: "bookworm-security" },
    ]);
  });

  test("reads one-line entries too, with options and comments, by codename or by status", () => {
    const sources = parseOneLineSources(
      [
        "# deb http://commented.example/debian bookworm main",
        "deb-src http://source.example/debian bookworm main",
        "deb cdrom:[Debian]/ bookworm main",
        "deb [arch=amd64 signed-by=/k.gpg] https://mirror.example/debian oldstable main contrib # mine",
      ].join("\n"),
    );
    expect(chooseArchives(sources, "bookworm")).toEqual([
      { uri: "https://mirror.example/debian", suite: "bookworm" },
    ]);
  });

  test("passes over other vendors, other suites, other components and entries that are off", () => {
    const sources = parseSources(
      [
        "Types: deb\nURIs: https://packages.example/nodejs\nSuites: bookworm\nComponents: main",
        "Types: deb\nURIs: http://a.example/debian\nSuites: trixie\nComponents: main",
        "Types: deb\nURIs: http://b.example/debian\nSuites: bookworm\nComponents: contrib",
        "Enabled: no\nTypes: deb\nURIs: http://c.example/debian\nSuites: bookworm\nComponents: main",
        "Types: deb\nURIs: mirror+file:/etc/apt/mirrors /debian\nSuites: bookworm\nComponents: main",
      ].join("\n\n"),
    );
    expect(chooseArchives(sources, "bookworm")).toEqual([{ uri: official, suite: "bookworm" }]);
  });

  test("uses Debian's own mirrors on hosts that are not Debian", () => {
    const ubuntu = parseSources(
      "Types: deb\nURIs: http://archive.ubuntu.com/ubuntu\nSuites: noble\nComponents: main",
    );
    expect(chooseArchives(ubuntu, undefined)).toEqual([{ uri: official, suite: "bookworm" }]);
    expect(chooseArchives([], undefined)).toEqual([{ uri: official, suite: "bookworm" }]);
  });
});

describe("compareVersions", () => {
  test("orders versions as dpkg does", () => {
    const ascending = ["1.0~rc1", "1.0", "1.0-1", "1.0+b1-1", "1.0.1", "1.9", "1.10", "1.10a", "1:0.1"];
    for (const [index, version] of ascending.entries()) {
      expect(compareVersions(version, version)).toBe(0);
      for (const newer of ascending.slice(index + 1)) {
        expect(compareVersions(version, newer)).toBeLessThan(0);
        expect(compareVersions(newer, version)).toBeGreaterThan(0);
      }
    }
    expect(compareVersions("6.1.192-2", "6.1.99-10")).toBeGreaterThan(0);
    expect(compareVersions("6.1.192-2~deb12u1", "6.1.192-2")).toBeLessThan(0);
  });
});
